"""TensorStore does not live on in a forked process, which it would abort without a word."""

import os

_used = _forked = False


def check_process() -> None:
    """Note that TensorStore is used in this process.

    Raises:
        RuntimeError: If it was used in another before, of which this one is a fork.
    """
    global _used
    if _forked:
        raise RuntimeError(
            "A store cannot be opened or read in a process that was forked from one which had done "
            "so: start workers by `spawn`, such as multiprocessing.get_context('spawn'), or by "
            "gunicorn without --preload"
        )
    _used = True


def _note_fork() -> None:
    global _forked
    _forked = _used


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_note_fork)
