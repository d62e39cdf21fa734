from __future__ import annotations

import hashlib
import json
import os
from functools import cache
from typing import Any

import numpy as np

FORMAT_VERSION = 1
MANIFEST = "vectors.json"
DTYPES = ("float16", "float32")
# Rows that are written together, whole or not at all.
CHUNK = 1024


class VectorStore:
    """Vectors of passages, row `i` that of passage `i`, in a TensorStore array.

    `store[rows]` reads a slice of rows, `store[rows] = vectors` writes one of whole chunks of 1024.
    What is not completed can be gone on with by `create`, and cannot be opened.

    Made by `VectorStore.create` or `VectorStore.open`.

    Args:
        path: Local path, or a URL that TensorStore knows.
        manifest: Settings of the vectors, and whether they are complete.
    """

    def __init__(self, path: str | os.PathLike[str], manifest: dict[str, Any]) -> None:
        import tensorstore as ts

        self.path = os.fspath(path)
        self.manifest = manifest
        self.shape: tuple[int, int] = (manifest["num_passages"], manifest["dim"])
        self.dtype = np.dtype(manifest["dtype"])
        self._files = _files(self.path)
        spec = self._files.spec().to_json()
        metadata = {
            "shape": [*self.shape],
            "data_type": self.dtype.name,
            "chunk_grid": {
                "name": "regular",
                "configuration": {"chunk_shape": [CHUNK, self.shape[1]]},
            },
            "codecs": [
                {"name": "bytes", "configuration": {"endian": "little"}},
                {"name": "crc32c"},
            ],
        }
        try:
            self._array = ts.open(
                {
                    "driver": "zarr3",
                    "kvstore": {**spec, "path": f"{spec['path']}vectors/"},
                    "metadata": metadata,
                    # Zeros are vectors, not absence.
                    "fill_missing_data_reads": False,
                    "store_data_equal_to_fill_value": True,
                },
                open=True,
                create=not manifest["complete"],
                context=_context(),
            ).result()
        except ValueError as error:
            raise ValueError(f"{self.path}: the vectors are damaged: {error}") from error

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        num_passages: int,
        dim: int,
        dtype: str = "float16",
        *,
        fingerprint: str = "",
        encoder_fingerprint: str = "",
    ) -> VectorStore:
        """Begin a store, go on with an unfinished one, or open the complete one of the same kind.

        Args:
            path: Local path or URL.
            num_passages: Number of vectors, at least 1.
            dim: Width of a vector.
            dtype: `"float16"` or `"float32"`.
            fingerprint: Of the passages.
            encoder_fingerprint: Of what makes their vectors.

        Raises:
            FileExistsError: If there are vectors of other passages, another encoder or type, or
                other files.
            OSError: If it cannot be written.
        """
        if num_passages < 1:
            raise ValueError(
                f"`num_passages` must be at least 1. Received: num_passages={num_passages}"
            )
        if dtype not in DTYPES:
            raise ValueError(f"`dtype` must be one of {DTYPES}. Received: dtype={dtype!r}")
        settings = {
            "format_version": FORMAT_VERSION,
            "num_passages": num_passages,
            "dim": dim,
            "dtype": dtype,
            "fingerprint": fingerprint,
            "encoder_fingerprint": encoder_fingerprint,
        }
        manifest = read_manifest(path)
        if manifest is None:
            files = _files(path)
            if other_files := files.list().result():
                raise FileExistsError(
                    "`path` must be new, or hold vectors. Received: "
                    f"path={os.fspath(path)!r} with {other_files[0].decode()}"
                )
            manifest = {**settings, "complete": False}
            _write(files, MANIFEST, json.dumps(manifest, indent=2).encode())
        if other := [name for name, value in settings.items() if manifest.get(name) != value]:
            raise FileExistsError(
                "`path` must hold no vectors of other passages, another encoder or other "
                f"settings. Received: path={os.fspath(path)!r} with another {', '.join(other)}"
            )
        return cls(path, manifest)

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> VectorStore:
        """Open complete vectors.

        Raises:
            FileNotFoundError: If `path` holds none.
            ValueError: If they are of another format, or damaged.
        """
        manifest = read_manifest(path)
        if manifest is None or not manifest.get("complete"):
            state = "none" if manifest is None else "unfinished ones"
            raise FileNotFoundError(
                f"`path` must hold complete vectors. Received: {state} at {os.fspath(path)!r}"
            )
        if manifest.get("format_version") != FORMAT_VERSION:
            raise ValueError(
                f"{os.fspath(path)}: `format_version` must be {FORMAT_VERSION}. "
                f"Received: {manifest.get('format_version')}"
            )
        return cls(path, manifest)

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return f"VectorStore({self.path!r}, {len(self)} x {self.shape[1]} {self.dtype})"

    @property
    def is_complete(self) -> bool:
        return bool(self.manifest["complete"])

    def missing_chunks(self) -> list[slice]:
        """Rows of each chunk that is not written yet, in their order."""
        keys = self._files.list().result()
        parts = [key.decode().split("/") for key in keys if key.startswith(b"vectors/c/")]
        there = {int(part[2]) for part in parts if part[3:] == ["0"]}
        return [
            slice(start, min(start + CHUNK, len(self)))
            for start in range(0, len(self), CHUNK)
            if start // CHUNK not in there
        ]

    def __getitem__(self, rows: slice) -> np.ndarray:
        start, stop, step = rows.indices(len(self))
        try:
            return self._array[start:stop:step].read().result()
        except ValueError as error:
            raise ValueError(f"{self.path}: the vectors are damaged: {error}") from error

    def __setitem__(self, rows: slice, vectors: np.ndarray) -> None:
        start, stop, _ = rows.indices(len(self))
        if start % CHUNK or (stop % CHUNK and stop != len(self)):
            raise ValueError(f"`rows` must be whole chunks of {CHUNK}. Received: {start} to {stop}")
        checked = check_vectors(vectors, self.dtype)
        try:
            self._array[start:stop].write(checked).result()
        except ValueError as error:
            raise OSError(f"{self.path} cannot be written: {error}") from error

    def complete(self) -> None:
        """Mark the vectors as complete.

        Raises:
            ValueError: If a chunk is missing.
        """
        if missing := self.missing_chunks():
            raise ValueError(
                "Every chunk must be written before `complete`. "
                f"Received: rows {missing[0].start} to {missing[0].stop - 1} are missing"
            )
        self.manifest = {**self.manifest, "complete": True}
        _write(self._files, MANIFEST, json.dumps(self.manifest, indent=2).encode())

    def write_file(self, name: str, content: bytes) -> None:
        """Keep something that was made of the vectors beside them, written at once."""
        _write(self._files, name, hashlib.sha256(content).digest() + content)

    def read_file(self, name: str) -> bytes | None:
        """What `write_file` kept, or `None`.

        Raises:
            ValueError: If it is damaged.
        """
        found = _read(self._files, name)
        if found is None:
            return None
        digest, content = found[:32], found[32:]
        if hashlib.sha256(content).digest() != digest:
            raise ValueError(f"{self.path}/{name} is damaged: its checksum is another")
        return content


def read_manifest(path: str | os.PathLike[str]) -> dict[str, Any] | None:
    """What is known of the vectors at a path, complete or not; `None` where there are none."""
    found = _read(_files(path), MANIFEST)
    if found is None:
        return None
    try:
        return dict(json.loads(found))
    except (ValueError, TypeError) as error:
        raise ValueError(f"{os.fspath(path)}/{MANIFEST} is damaged: {error}") from error


def check_vectors(vectors: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """The vectors in a type, if they are finite in it."""
    with np.errstate(over="ignore"):
        cast = np.asarray(vectors).astype(dtype)
    if not np.isfinite(cast).all():
        row = int(np.flatnonzero(~np.isfinite(cast).all(axis=1))[0])
        raise ValueError(
            f"`vectors` must be finite in {dtype}. Received: other values in row {row}"
        )
    return cast


def _files(path: str | os.PathLike[str]) -> Any:
    import tensorstore as ts

    path = os.fspath(path)
    spec: Any = {"driver": "file", "path": f"{os.path.abspath(path)}/"}
    if "://" in path:
        spec = path.rstrip("/") + "/"
    try:
        return ts.KvStore.open(spec, context=_context()).result()
    except ValueError as error:
        raise ValueError(
            f"`path` must be a local path or a URL that TensorStore opens ({error}). "
            f"Received: path={path!r}"
        ) from error


def _read(files: Any, name: str) -> bytes | None:
    try:
        found = files.read(name).result()
    except ValueError as error:
        raise OSError(f"{files.url}{name} cannot be read: {error}") from error
    return None if found.state == "missing" else bytes(found.value)


def _write(files: Any, name: str, content: bytes) -> None:
    try:
        files.write(name, content).result()
    except ValueError as error:
        raise OSError(f"{files.url}{name} cannot be written: {error}") from error


@cache
def _context() -> Any:
    """One for all: `memory://` is one store in a process."""
    import tensorstore as ts

    return ts.Context()
