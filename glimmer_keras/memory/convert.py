"""A store in another type."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from glimmer_keras.memory.codebooks import has_codebooks
from glimmer_keras.memory.manifest import Settings
from glimmer_keras.memory.product_quantizer import LEARNED_FROM, ProductQuantizer
from glimmer_keras.memory.quantize import dequantize
from glimmer_keras.utils.chunks import in_chunks
from glimmer_keras.utils.location import Location

if TYPE_CHECKING:
    from glimmer_keras.memory.memory_store import MemoryStore

PASSAGES_AT_ONCE = 64


def convert(
    store: MemoryStore,
    path: str,
    dtype: str,
    shard_size: int,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Do what `MemoryStore.convert` does, but for opening the new store."""
    from glimmer_keras.memory.memory_store import MemoryStore

    if not len(store):
        raise ValueError(f"The store must hold passages to convert. Received: none in {store.path}")
    settings = Settings(store.hidden_dim, store.passage_length, dtype, shard_size)
    quantizer = None
    if settings.is_product and not has_codebooks(path):
        quantizer = ProductQuantizer.learn(_sample(store), settings.stored[1])
    with Location(path).alone():
        writer = MemoryStore.create(
            path,
            hidden_dim=store.hidden_dim,
            passage_length=store.passage_length,
            dtype=dtype,
            shard_size=shard_size,
            fingerprint=store.fingerprint,
            quantizer=quantizer,
        )
        done = 0
        for number, passages in enumerate(in_chunks(store.iter_passages(), shard_size)):
            if not writer.done(number, passages):
                memory = list(_memory(store, [passage.id for passage in passages]))
                writer.write_shard(number, memory, [len(m) for m in memory], passages)
            done += len(passages)
            if progress is not None:
                progress(done, len(store))
        writer.complete(-(-len(store) // shard_size))


def _memory(store: MemoryStore, ids: Sequence[str]) -> Iterator[np.ndarray]:
    """Read the memory of passages as floats `(length, dim)`."""
    for start in range(0, len(ids), PASSAGES_AT_ONCE):
        batch = store.read(ids[start : start + PASSAGES_AT_ONCE])
        for row, length in enumerate(batch.lengths.tolist()):
            values = batch.values[row, :length]
            yield values if batch.scales is None else dequantize(values, batch.scales[row, :length])


def _sample(store: MemoryStore) -> np.ndarray:
    """Read tokens `(n, dim)` from all over a store, as many as codebooks are learned from."""
    tokens = max(1, store.info()["tokens"] // max(1, len(store)))
    count = min(len(store), -(-LEARNED_FROM // tokens))
    places = np.linspace(0, len(store) - 1, count).astype("int64")
    ids = [passage.id for passage in store.passages_at(places)]
    return np.concatenate([memory.astype("float32") for memory in _memory(store, ids)])
