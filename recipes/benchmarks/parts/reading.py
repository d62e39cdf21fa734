"""Opening, verifying and reading a memory store, beside a memory-mapped array."""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from glimmer_keras.memory import MemoryStore, StoredPassage
from glimmer_keras.memory.quantize import quantize
from glimmer_keras.models.sizes import size_arguments
from glimmer_keras.utils.chunks import in_chunks
from recipes.benchmarks.parts.encoding import PASSAGES_READ
from recipes.benchmarks.timing import interleaved, spread


def check(path: str, repeats: int) -> dict[str, Any]:
    """Time opening a store, and verifying all of it."""
    opening = [timed(lambda: MemoryStore.open(path)) for _ in range(repeats)]
    store = MemoryStore.open(path)
    verifying = timed(store.verify)
    return {"open_seconds": spread(opening), "verify_seconds": verifying, "store": store.info()}


def timed(call: Callable[[], Any]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def compare_reading(options: argparse.Namespace, work: Path) -> dict[str, Any]:
    """Time 25 random int8 passages of full length, from a store and from mapped files."""
    rng, length = np.random.default_rng(0), options.passage_length
    number, dim = options.read_passages, size_arguments(options.read_size)["hidden_dim"]
    values = np.lib.format.open_memmap(work / "values.npy", "w+", "int8", (number, length, dim))
    scales = np.lib.format.open_memmap(work / "scales.npy", "w+", "float32", (number, length))
    writer = MemoryStore.create(work / "reading", hidden_dim=dim, passage_length=length)
    for shard, rows in enumerate(in_chunks(range(number), writer.shard_size)):
        part = slice(rows[0], rows[-1] + 1)
        memory = rng.normal(size=(len(rows), length, dim)).astype("float32")
        values[part], scales[part] = quantize(memory)
        named = [StoredPassage(str(row), "", "") for row in rows]
        writer.write_shard(shard, memory, np.full(len(rows), length), named)
    writer.complete(-(-number // writer.shard_size))
    store, taken = MemoryStore.open(work / "reading"), min(PASSAGES_READ, number)
    values, scales = (np.load(work / f"{n}.npy", mmap_mode="r") for n in ("values", "scales"))
    rows = rng.choice(number, taken, replace=False)
    batch = store.read([str(row) for row in rows])
    if not ((batch.values == values[rows]).all() and (batch.scales == scales[rows]).all()):
        raise RuntimeError("the store and the mapped array must hold the same bytes")

    def next_rows():
        nonlocal rows
        rows = rng.choice(number, taken, replace=False)

    calls = {
        "store": lambda: store.read([str(row) for row in rows]),
        "mapped": lambda: (values[rows], scales[rows]),
    }
    interleaved(calls, 2, next_rows)
    times = interleaved(calls, options.repeats, next_rows)
    measured = {name: spread(seconds) for name, seconds in times.items()}
    ratio = measured["store"]["median"] / measured["mapped"]["median"]
    return {"passages": taken, "length": length, "dim": dim, **measured, "ratio": ratio}
