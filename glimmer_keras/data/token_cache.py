import hashlib
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np

FORMAT_VERSION = 1
MANIFEST = "manifest.json"

Arrays = dict[str, np.ndarray]
Notes = dict[str, int]


class Create(Protocol):
    """Makes an array to be filled: in memory, or in a file of the cache."""

    def __call__(self, name: str, shape: tuple[int, ...], dtype: str) -> np.ndarray: ...


def cache_key(*parts: Any) -> str:
    """SHA-256 of JSON values, in hexadecimal."""
    return hashlib.sha256(json.dumps([FORMAT_VERSION, *parts]).encode()).hexdigest()


def cached_arrays(
    cache_dir: str | Path | None, key: str, make: Callable[[Create], Notes]
) -> tuple[Arrays, Notes]:
    """Load the arrays kept under `key`, or have them made and keep them.

    They are written to a temporary folder, the manifest last, and the folder is renamed when
    all is there; an entry without a manifest is never read.

    Args:
        cache_dir: Folder of the cache; `None` makes the arrays in memory.
        key: Name of the entry.
        make: Given a function that creates an array, makes and fills all of them, and returns
            counts to be kept in the manifest.

    Returns:
        The arrays by name, read-only and memory-mapped if `cache_dir` is given, and the counts.
    """
    if cache_dir is None:
        arrays: Arrays = {}

        def create(name: str, shape: tuple[int, ...], dtype: str) -> np.ndarray:
            arrays[name] = np.zeros(shape, dtype)
            return arrays[name]

        notes = make(create)
        return arrays, notes
    entry = Path(cache_dir) / key
    if not (entry / MANIFEST).is_file():
        _write(entry, make)
    return _load(entry)


def _write(entry: Path, make: Callable[[Create], Notes]) -> None:
    entry.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{entry.name[:16]}-", dir=entry.parent) as temporary:
        work = Path(temporary) / "entry"
        work.mkdir()
        arrays: Arrays = {}

        def create(name: str, shape: tuple[int, ...], dtype: str) -> np.ndarray:
            arrays[name] = np.lib.format.open_memmap(work / f"{name}.npy", "w+", dtype, shape)
            return arrays[name]

        notes = make(create)
        for array in arrays.values():
            array.flush()  # type: ignore[attr-defined]
        described = {
            name: {"shape": array.shape, "dtype": str(array.dtype)}
            for name, array in arrays.items()
        }
        manifest = {"format_version": FORMAT_VERSION, "arrays": described, "notes": notes}
        (work / MANIFEST).write_text(json.dumps(manifest, indent=2))
        try:
            os.rename(work, entry)
        except OSError:
            # Another process was first; anything else that is in the way is an error.
            if not (entry / MANIFEST).is_file():
                raise


def _load(entry: Path) -> tuple[Arrays, Notes]:
    manifest = json.loads((entry / MANIFEST).read_text())
    arrays = {}
    for name, expected in manifest["arrays"].items():
        array = np.load(entry / f"{name}.npy", mmap_mode="r", allow_pickle=False)
        if [*array.shape] != expected["shape"] or str(array.dtype) != expected["dtype"]:
            raise ValueError(
                f"{entry / name}.npy must be {expected['dtype']} of shape {expected['shape']}. "
                f"Received: {array.dtype} of shape {[*array.shape]}"
            )
        arrays[name] = array
    return arrays, manifest["notes"]
