"""Files and folders that are there whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from glimmer_keras.utils.locks import HeldError, hold

LOCK = "lock"


def sync(path: str | os.PathLike[str]) -> None:
    """Have a file, or the names in a folder, on the disk before going on."""
    if os.name == "nt" and os.path.isdir(path):  # Windows opens no folders.
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_file(path: str | os.PathLike[str], content: str | bytes) -> None:
    """Write or replace a file, which is there whole or not at all; its folder is made.

    Args:
        path: The file.
        content: All of it; a string is written in UTF-8.

    Raises:
        OSError: If it cannot be written. What was there before still is.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.new")
    try:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)
        sync(temporary)
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    sync(path.parent)


@contextmanager
def new_folder(
    path: str | os.PathLike[str],
    *,
    replace: bool = False,
    alone: bool = True,
    what: str = "`path`",
) -> Iterator[Path]:
    """Give a hidden folder to write into, which gets its name when all of it is on the disk.

    Nothing is left of a block that raises. What a killed writer left goes when the folder is
    written again.

    Args:
        path: The folder. Its parents are made.
        replace: Whether it may be there already, and is replaced whole. A process that is killed
            between the two renames leaves one of the two, to which `recover_folder` gives the name.
        alone: Whether to refuse while another process writes the same folder.
        what: How errors call the folder.

    Raises:
        FileExistsError: If the folder is there and `replace` is not set, or is written meanwhile.
        HeldError: If `alone` is set and another process writes it.
        OSError: If it cannot be written.
    """
    path = Path(path)
    if replace:
        recover_folder(path)
    elif path.exists():
        raise FileExistsError(f"{what} must be new. Received: '{path}'")
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_left(path, alone, what)
    with (
        tempfile.TemporaryDirectory(prefix=_prefix(path), dir=path.parent) as temporary,
        hold(Path(temporary, LOCK), what),
    ):
        work = Path(temporary) / path.name
        work.mkdir()
        yield work
        publish_folder(work, path, replace=replace, what=what)


def publish_folder(work: Path, path: Path, *, replace: bool = False, what: str = "`path`") -> None:
    """Give a finished folder its name, everything in it being on the disk first.

    Raises:
        FileExistsError: If `path` is there and `replace` is not set.
    """
    for written in (*work.rglob("*"), work):
        sync(written)
    old = _old(path)
    try:
        if replace and path.exists():
            os.rename(path, old)
        os.rename(work, path)
    except OSError as error:
        if path.exists():
            raise FileExistsError(
                f"{what} must be new. Received: '{path}', written meanwhile"
            ) from error
        raise
    sync(path.parent)
    shutil.rmtree(old, ignore_errors=True)


def recover_folder(path: str | os.PathLike[str]) -> None:
    """Give a folder its name back that lost it when a process was killed while replacing it."""
    path = Path(path)
    old = _old(path)
    if not old.exists():
        return
    if path.exists():
        shutil.rmtree(old)
    else:
        os.rename(old, path)
        sync(path.parent)


def remove_folder(path: str | os.PathLike[str]) -> None:
    """Remove a folder, of which a killed process leaves nothing under its name."""
    path = Path(path)
    hidden = path.with_name(f"{_prefix(path)}removed")
    shutil.rmtree(hidden, ignore_errors=True)
    os.rename(path, hidden)
    shutil.rmtree(hidden)


def remove_left(path: str | os.PathLike[str]) -> None:
    """Remove what killed writers of a folder left beside it."""
    _remove_left(Path(path), alone=False, what="`path`")


def _remove_left(path: Path, alone: bool, what: str) -> None:
    for left in path.parent.glob(f"{_prefix(path)}*"):
        try:
            with hold(left / LOCK, what):
                shutil.rmtree(left, ignore_errors=True)
        except HeldError:
            if alone:
                raise
        except OSError:  # Another process has removed it meanwhile.
            pass


def _prefix(path: Path) -> str:
    return f".{path.name}-"


def _old(path: Path) -> Path:
    return path.with_name(f".{path.name}.old")
