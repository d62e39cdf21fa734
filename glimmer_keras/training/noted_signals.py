import contextlib
import signal
import threading
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def noted_signals(note: Callable[[str], None]) -> Iterator[None]:
    """Have the first SIGTERM or SIGINT noted, rather than end the process, in a `with` block.

    From then on, and after the block, signals do what they did before it. One that was ignored
    stays so. In a thread that is not the main one, where Python has no handlers, nothing changes.

    Args:
        note: Is given the name of the signal.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    before = {n: handler for n, handler in before.items() if handler is not signal.SIG_IGN}

    def restore() -> None:
        for number, handler in before.items():
            # `None` is a handler that Python did not install.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def handle(number: int, frame: object) -> None:
        restore()
        note(signal.Signals(number).name)

    for number in before:
        signal.signal(number, handle)
    try:
        yield
    finally:
        restore()
