import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from glimmer_keras.utils.files import new_folder
from glimmer_keras.utils.manifest import MANIFEST, read_manifest, write_manifest

VERSION = 1

Arrays = dict[str, np.ndarray]
# Counts that are kept beside the arrays.
Counts = dict[str, int]


class Create(Protocol):
    """Makes an array to be filled: in memory, or in a file of the cache."""

    def __call__(self, name: str, shape: tuple[int, ...], dtype: str) -> np.ndarray: ...


def cache_key(*parts: Any) -> str:
    """Hash JSON values to SHA-256, in hexadecimal."""
    return hashlib.sha256(json.dumps([VERSION, *parts]).encode()).hexdigest()


def cached_arrays(
    cache_dir: str | Path | None, key: str, make: Callable[[Create], Counts]
) -> tuple[Arrays, Counts]:
    """Load the arrays kept under `key`, or have them made and keep them.

    An entry appears when all of it is written.

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

        return arrays, make(create)
    entry = Path(cache_dir) / key
    if not (entry / MANIFEST).is_file():
        _write(entry, make)
    return _load(entry)


def _write(entry: Path, make: Callable[[Create], Counts]) -> None:
    """Have the arrays of an entry made in files, with a manifest beside them."""
    arrays: Arrays = {}
    # Several processes may make an entry at once, and the first one's stays.
    with suppress(FileExistsError), new_folder(entry, alone=False) as work:

        def create(name: str, shape: tuple[int, ...], dtype: str) -> np.ndarray:
            arrays[name] = np.lib.format.open_memmap(work / f"{name}.npy", "w+", dtype, shape)
            return arrays[name]

        counts = make(create)
        for array in arrays.values():
            array.flush()  # type: ignore[attr-defined]
        described = {
            name: {"shape": array.shape, "dtype": str(array.dtype)}
            for name, array in arrays.items()
        }
        write_manifest(work, {"arrays": described, "notes": counts}, VERSION)


def _load(entry: Path) -> tuple[Arrays, Counts]:
    """Map the arrays of an entry into memory, comparing them with its manifest."""
    manifest = read_manifest(entry, "an entry of the cache of tokens", VERSION)
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
