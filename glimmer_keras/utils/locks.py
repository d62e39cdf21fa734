from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout


class HeldError(FileExistsError):
    """A lock is held by somebody else, whom the message names."""


@contextmanager
def hold(path: str | os.PathLike[str], what: str, seconds: float = 0.0) -> Iterator[None]:
    """Hold a lock file, which is free again when the block or the process ends.

    Args:
        path: The lock file. It is made, and stays.
        what: What is locked, for the error, such as ``"`path`"``.
        seconds: How long to wait for another holder.

    Raises:
        HeldError: If another process or thread holds it.
    """
    path = Path(path)
    holder = path.with_name(f"{path.name}.holder")
    try:
        with FileLock(path, timeout=seconds):
            with suppress(OSError):  # on a full disk it is held all the same
                holder.write_text(f"process {os.getpid()} on {socket.gethostname()}", "utf-8")
            try:
                yield
            finally:
                holder.unlink(missing_ok=True)
    except Timeout:
        try:
            name = holder.read_text("utf-8")
        except OSError:
            name = "another process"
        raise HeldError(
            f"{what} must not be in use by another writer. Received: {path.parent}, held by {name}"
        ) from None
