"""What the C library does with memory that a step has freed."""

import ctypes
import platform

_SETTINGS = (
    (-4, 0),  # M_MMAP_MAX: large blocks from the heap too
    (-1, 2**31 - 1),  # M_TRIM_THRESHOLD: its end is not given back
    (-8, 1),  # M_ARENA_MAX: one heap, so that what one thread frees another can take
)


def keep_freed_memory() -> bool:
    """Let this process keep the memory that it frees, for its next step on a CPU.

    glibc gives large blocks back to the kernel as soon as they are freed, and gets them anew, page
    by page, when the next step asks for as much. On JAX that was a third of a training step of
    `recipes/worlds/demonstration.py`; TensorFlow gains little. Call it before the first step of a
    program that does little else; the memory it holds stays at its highest.

    Returns:
        Whether it is so from now on: `False` where the C library is not glibc.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return all([mallopt(option, value) for option, value in _SETTINGS])
