from __future__ import annotations

import hashlib
import os
from typing import Any

import numpy as np

from glimmer_keras.utils.checks import check_integer
from glimmer_keras.utils.forked import check_process
from glimmer_keras.utils.location import Location, shared_context
from glimmer_keras.utils.manifest import decode_manifest, encode_manifest

VERSION = 1
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
        self._files = Location(self.path)
        spec = self._files.spec
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
                context=shared_context(),
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
            fingerprint: Fingerprint of the passages.
            encoder_fingerprint: Fingerprint of what makes their vectors.

        Raises:
            FileExistsError: If there are vectors of other passages, another encoder or type, or
                other files.
            OSError: If it cannot be written.
        """
        check_integer("num_passages", num_passages)
        if dtype not in DTYPES:
            raise ValueError(f"`dtype` must be one of {DTYPES}. Received: dtype={dtype!r}")
        settings = {
            "num_passages": num_passages,
            "dim": dim,
            "dtype": dtype,
            "fingerprint": fingerprint,
            "encoder_fingerprint": encoder_fingerprint,
        }
        manifest = read_manifest(path)
        if manifest is None:
            files = Location(path)
            if others := files.keys(""):
                raise FileExistsError(
                    "`path` must be new, or hold vectors. Received: "
                    f"path={os.fspath(path)!r} with {others[0]}"
                )
            manifest = {**settings, "complete": False}
            files.write(MANIFEST, encode_manifest(manifest, VERSION))
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
        return cls(path, manifest)

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return f"VectorStore({self.path!r}, {len(self)} x {self.shape[1]} {self.dtype})"

    @property
    def is_complete(self) -> bool:
        return bool(self.manifest["complete"])

    def missing_chunks(self) -> list[slice]:
        """List the rows of each chunk that is not written yet, in their order."""
        parts = [key.split("/") for key in self._files.keys("vectors/c/")]
        written = {int(part[2]) for part in parts if part[3:] == ["0"]}
        return [
            slice(start, min(start + CHUNK, len(self)))
            for start in range(0, len(self), CHUNK)
            if start // CHUNK not in written
        ]

    def __getitem__(self, rows: slice) -> np.ndarray:
        check_process()
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
        self._files.write(MANIFEST, encode_manifest(self.manifest, VERSION))

    def write_file(self, name: str, content: bytes) -> None:
        """Keep something that was made of the vectors beside them, written at once."""
        self._files.write(name, hashlib.sha256(content).digest() + content)

    def read_file(self, name: str) -> bytes | None:
        """Read what `write_file` kept, `None` if there is nothing.

        Raises:
            ValueError: If it is damaged.
        """
        stored, _ = self._files.read(name)
        if stored is None:
            return None
        digest, content = stored[:32], stored[32:]
        if hashlib.sha256(content).digest() != digest:
            raise ValueError(f"{self.path}/{name} is damaged: its checksum is another")
        return content


def read_manifest(path: str | os.PathLike[str]) -> dict[str, Any] | None:
    """Read the manifest of vectors at a path, complete or not; `None` where there are none."""
    files = Location(path)
    encoded, _ = files.read(MANIFEST)
    if encoded is None:
        return None
    required = ("num_passages", "dim", "dtype", "fingerprint", "encoder_fingerprint", "complete")
    return decode_manifest(encoded, files.name(MANIFEST), VERSION, required)


def check_vectors(vectors: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Cast vectors `(n, dim)` to a type.

    Raises:
        ValueError: If they are not finite in it.
    """
    with np.errstate(over="ignore"):
        cast = np.asarray(vectors).astype(dtype)
    if not np.isfinite(cast).all():
        row = int(np.flatnonzero(~np.isfinite(cast).all(axis=1))[0])
        raise ValueError(
            f"`vectors` must be finite in {dtype}. Received: other values in row {row}"
        )
    return cast
