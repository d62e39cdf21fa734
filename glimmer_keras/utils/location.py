from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from glimmer_keras.utils.forked import check_process
from glimmer_keras.utils.locks import hold
from glimmer_keras.utils.manifest import CorruptFileError

LOCK = ".writer.lock"
# What TensorStore's file driver calls a file that it has not finished.
UNFINISHED = ".__lock"
# The generation TensorStore gives to a key that does not exist.
ABSENT = b"\2"
# How TensorStore begins its messages on what it read: absent, cut short, or with a wrong checksum.
DAMAGE = ("NOT_FOUND", "DATA_LOSS", "FAILED_PRECONDITION", "OUT_OF_RANGE", "INVALID_ARGUMENT")


class Location:
    """A folder of files on disk, or the keys under a prefix of any TensorStore key-value store.

    Args:
        path: A local path, or a URL such as `file://`, `gs://`, `s3://` or `memory://`, which
            lives as long as the process.

    Raises:
        ValueError: If the URL is not one that TensorStore knows.
        RuntimeError: In a forked process, see `check_process`.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        import tensorstore as ts

        self.path = os.fspath(path)
        if not self.path:
            raise ValueError("`path` must be a local path or a URL. Received: path=''")
        if "://" in self.path:
            spec: Any = self.path.rstrip("/") + "/"
        else:
            spec = {"driver": "file", "path": f"{os.path.abspath(self.path)}/"}
        try:
            self._opened = ts.KvStore.open(spec, context=shared_context()).result()
        except ValueError as error:
            raise ValueError(
                f"`path` must be a local path or a URL that TensorStore opens ({error}). "
                f"Received: path={self.path!r}"
            ) from error
        self.spec: dict[str, Any] = self._store.spec().to_json()
        self.folder = Path(self.spec["path"]) if self.spec["driver"] == "file" else None

    def __repr__(self) -> str:
        return f"Location({self.path!r})"

    @property
    def _store(self) -> Any:
        check_process()
        return self._opened

    def name(self, key: str) -> str:
        """How messages call a file."""
        return f"{self.path.rstrip('/')}/{key}"

    def read(self, key: str) -> tuple[bytes | None, bytes]:
        """A file and its generation; `None` and the generation `ABSENT` where there is none."""
        try:
            result = self._store.read(key).result()
        except ValueError as error:
            raise OSError(f"{self.name(key)} cannot be read: {error}") from error
        if result.state == "missing":
            return None, bytes(result.stamp.generation)
        return bytes(result.value), bytes(result.stamp.generation)

    def exists(self, key: str) -> bool:
        """Whether there is a file, and not an empty one."""
        try:
            read = self._store.read(key, byte_range=slice(0, 1)).result()
        except ValueError:
            return False
        return read.state == "value"

    def write(self, key: str, content: bytes, if_generation: bytes | None = None) -> bool:
        """Write or replace a file at once.

        Args:
            key: Its name.
            content: All of it.
            if_generation: Write only if the file is still of this generation.

        Returns:
            Whether it was written; `False` if the generation is another.

        Raises:
            OSError: If it cannot be written; what was there before still is.
        """
        try:
            stamp = self._store.write(key, content, if_equal=if_generation).result()
        except ValueError as error:
            raise OSError(f"{self.name(key)} cannot be written: {error}") from error
        return bool(stamp.generation)

    def delete(self, key: str) -> None:
        try:
            self._store.write(key, None).result()
        except ValueError as error:
            raise OSError(f"{self.name(key)} cannot be deleted: {error}") from error

    def keys(self, prefix: str) -> list[str]:
        """Names of the files that begin with `prefix`, sorted."""
        import tensorstore as ts

        if prefix:  # "0" is the character after "/".
            found = self._store.list(ts.KvStore.KeyRange(prefix, prefix[:-1] + "0")).result()
        else:
            found = self._store.list().result()
        return sorted(key.decode() for key in found)

    @contextmanager
    def alone(self, seconds: float = 0.0) -> Iterator[None]:
        """Be the only writer in a `with` block, of all that ask; of local files alone.

        Args:
            seconds: How long to wait for another one.

        Raises:
            HeldError: If there is another one, whom the message names.
        """
        if self.folder is None:
            yield
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        with hold(self.folder / LOCK, "`path`", seconds):
            yield

    def remove_unfinished(self) -> None:
        """Remove what killed writers left; key-value stores other than files keep no such thing."""
        if self.folder is not None:
            for path in self.folder.rglob(f"*{UNFINISHED}"):
                path.unlink(missing_ok=True)

    def num_bytes(self) -> int | None:
        """Of all files together; `None` where only reading them would tell."""
        if self.folder is None:
            return None
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())


def shared_context() -> Any:
    """The parent of all contexts: `memory://` is one store in a process.

    Raises:
        RuntimeError: In a forked process, see `check_process`.
    """
    check_process()
    return _context()


@cache
def _context() -> Any:
    import tensorstore as ts

    return ts.Context()


def read_error(where: str, error: Exception) -> Exception:
    """What to raise for what TensorStore said on reading `where`."""
    if str(error).startswith(DAMAGE):
        return CorruptFileError(f"{where} is damaged: {error}")
    return OSError(f"{where} cannot be read: {error}")
