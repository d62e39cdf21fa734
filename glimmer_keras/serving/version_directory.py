import os
from pathlib import Path


def version_path(path: str | os.PathLike[str]) -> Path:
    """Give the directory of a version: `path` if it ends in a number, else the next free in it.

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
    """Find the version with the highest number in a directory, `None` where there is none."""
    children = path.iterdir() if path.exists() else ()
    versions = [child for child in children if child.name.isdecimal()]
    return max(versions, key=lambda child: int(child.name), default=None)


def text_version_path(path: Path) -> Path:
    """Give the place of a version with strings: `DIR-text/<version>` for `DIR/<version>`.

    Raises:
        FileExistsError: If it is there.
    """
    return version_path(path.parent.with_name(f"{path.parent.name}-text") / path.name)


def _check_writable(directory: Path) -> None:
    """Refuse a directory that does not take new ones, by what exists of it."""
    existing = next(folder for folder in (directory, *directory.parents) if folder.exists())
    if not existing.is_dir():
        raise NotADirectoryError(
            f"`path` must be below a directory. Received: a file, '{existing}'"
        )
    if not os.access(existing, os.W_OK | os.X_OK):
        raise PermissionError(f"`path` must be writable. Received: '{existing}', which is not")
