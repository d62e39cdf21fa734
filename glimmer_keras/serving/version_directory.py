import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from glimmer_keras.data.sync import sync


def version_path(path: str | os.PathLike[str]) -> Path:
    """The directory of a version: `path` if it ends in a number, else the next free one in it.

    Raises:
        ValueError: If `path` is a URL.
        FileExistsError: If that version is there, or `path` is a file.
        OSError: If it cannot be written there.
    """
    if "://" in os.fspath(path):
        raise ValueError(f"`path` must be a local directory. Received: path={os.fspath(path)!r}")
    path = Path(path).absolute()
    if path.name.isdecimal():
        if path.exists():
            raise FileExistsError(f"`path` must be a new version. Received: path='{path}'")
        _check_writable(path.parent)
        return path
    if path.exists() and not path.is_dir():
        raise FileExistsError(f"`path` must be a directory. Received: path='{path}'")
    _check_writable(path)
    newest = newest_version(path)
    return path / str(1 if newest is None else int(newest.name) + 1)


def newest_version(path: Path) -> Path | None:
    """The version with the highest number in a directory, `None` where there is none."""
    found = [child for child in path.iterdir() if child.name.isdecimal()] if path.exists() else []
    return max(found, key=lambda child: int(child.name), default=None)


def text_version_path(path: Path) -> Path:
    """Where the strings of a version are: `DIR-text/<version>` for `DIR/<version>`.

    Raises:
        FileExistsError: If it is there.
    """
    return version_path(path.parent.with_name(f"{path.parent.name}-text") / path.name)


@contextmanager
def new_version(path: Path) -> Iterator[Path]:
    """A directory to write a version into, which gets its name when all of it is on the disk.

    A server, which looks for numbers, does not see it before. Of an interrupted one nothing is
    left; of a killed one a hidden directory, which goes when that version is written again.

    Raises:
        FileExistsError: If another process writes that version, or has written it meanwhile.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{path.name}-"
    for left in path.parent.glob(f"{prefix}*"):
        with _locked(left):
            shutil.rmtree(left)
    with (
        tempfile.TemporaryDirectory(prefix=prefix, dir=path.parent) as temporary,
        _locked(Path(temporary)),
    ):
        work = Path(temporary) / path.name
        work.mkdir()
        yield work
        for written in (*work.rglob("*"), work):
            sync(written)
        try:
            os.rename(work, path)
        except OSError as error:
            if path.exists():
                raise FileExistsError(
                    f"`path` must be a new version. Received: path='{path}', written meanwhile"
                ) from error
            raise
    sync(path.parent)


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """A lock on a directory, which ends with its process."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise FileExistsError(
                f"`path` must be a new version. Received: one being written, in '{directory}'"
            ) from error
        yield
    finally:
        os.close(descriptor)


def _check_writable(directory: Path) -> None:
    """That it, or what there is of it, takes new directories."""
    there = next(folder for folder in (directory, *directory.parents) if folder.exists())
    if not there.is_dir():
        raise NotADirectoryError(f"`path` must be below a directory. Received: a file, '{there}'")
    if not os.access(there, os.W_OK | os.X_OK):
        raise PermissionError(f"`path` must be writable. Received: '{there}', which is not")
