"""The zarr3 arrays of a store: their shapes, chunks and codecs.

memory   (rows, passage_length, hidden_dim)   a passage is a chunk, `shard_size` of them a file; of
                                              product quantisation the last are codes
scales   (rows, passage_length)               of int8 memory, likewise
text     (shards, bytes)                      the passages of a shard as JSON, one after the other
records  (rows, 6)                            what is known of a row; the last written of a shard
ids      (buckets, entries, 4)                from id to row, written when all shards are there
"""

from __future__ import annotations

from typing import Any

import numpy as np

from glimmer_keras.memory.manifest import Settings
from glimmer_keras.utils.location import Location, shared_context

MEMORY, SCALES, TEXT, RECORDS, IDS = "memory", "scales", "text", "records", "ids"

# Shapes are bounds, so that metadata never changes; what is not written takes no space.
MAX_SHARDS = 2**24
MAX_BUCKETS = 2**31
RECORDS_IN_CHUNK = 64
TEXT_CHUNK = 2**15
TEXT_OF_A_PASSAGE = 2**14
TEXT_OF_A_SHARD = 2**24
BUCKETS_IN_SHARD = 64
ENTRIES_IN_BUCKET = 320

LITTLE = {"name": "bytes", "configuration": {"endian": "little"}}
CRC32C = {"name": "crc32c"}
# Memory does not compress: a level below 0 drops the padding and copies the rest. The checksum is
# XXH64, because crc32c of 25 passages takes longer than all the rest of reading them.
PADDED = [LITTLE, {"name": "zstd", "configuration": {"level": -1, "checksum": True}}]
COMPRESSED = [LITTLE, {"name": "zstd", "configuration": {"level": 1}}, CRC32C]


def array_names(settings: Settings) -> tuple[str, ...]:
    """Name the arrays of a store, in the order in which a shard is written."""
    scales = (SCALES,) if settings.dtype == "int8" else ()
    return (MEMORY, *scales, TEXT, RECORDS, IDS)


def shard_key(name: str, shard: int) -> str:
    """Name the file of a shard, or of `BUCKETS_IN_SHARD` buckets."""
    return f"{name}/c/{shard}" + "/0" * (2 if name in (MEMORY, IDS) else 1)


def text_capacity(settings: Settings) -> int:
    """Count the bytes of text that a shard can hold before compression."""
    return max(settings.shard_size * TEXT_OF_A_PASSAGE, TEXT_OF_A_SHARD)


def records_in_chunk(shard_size: int) -> int:
    """Find the greatest divisor of `shard_size` up to `RECORDS_IN_CHUNK`."""
    return next(n for n in range(min(RECORDS_IN_CHUNK, shard_size), 0, -1) if shard_size % n == 0)


def numpy_dtype(name: str) -> np.dtype:
    """Look up the NumPy type of a stored type; NumPy itself has no bfloat16."""
    import tensorstore as ts

    return np.dtype(ts.dtype(name).numpy_dtype)


def cache_context(num_bytes: int) -> Any:
    """Make a cache for one or more arrays; what was least recently used goes first."""
    import tensorstore as ts

    return ts.Context({"cache_pool": {"total_bytes_limit": num_bytes}}, parent=shared_context())


def open_array(
    location: Location,
    settings: Settings,
    name: str,
    *,
    create: bool = False,
    fill_missing: bool = False,
    context: Any = None,
) -> Any:
    """Open one of a store's arrays.

    Args:
        location: Where the store is.
        settings: Settings of the store.
        name: One of `array_names(settings)`.
        create: Whether to create it if it is not there.
        fill_missing: Whether to read zeros where nothing is written; otherwise it is an error.
        context: A cache from `cache_context`; by default nothing is cached.

    Raises:
        ValueError: As TensorStore does, if it is not there or not as `settings` say.
    """
    import tensorstore as ts

    spec = {
        "driver": "zarr3",
        "kvstore": {**location.spec, "path": f"{location.spec['path']}{name}/"},
        "metadata": _metadata(settings, name),
        "recheck_cached_data": False,
        # Zeros are data, not absence.
        "fill_missing_data_reads": fill_missing,
        "store_data_equal_to_fill_value": True,
    }
    context = cache_context(0) if context is None else context
    return ts.open(
        spec, open=True, create=create, read=True, write=create, context=context
    ).result()


def _metadata(settings: Settings, name: str) -> dict[str, Any]:
    size, length = settings.shard_size, settings.passage_length
    kind, dim = settings.stored
    rows, text = MAX_SHARDS * size, text_capacity(settings)
    dtype, shape, shard, chunk = {
        MEMORY: (kind, [rows, length, dim], [size, length, dim], [1, length, dim]),
        SCALES: ("float32", [rows, length], [size, length], [1, length]),
        TEXT: ("uint8", [MAX_SHARDS, text], [1, text], [1, TEXT_CHUNK]),
        RECORDS: ("uint64", [rows, 6], [size, 6], [records_in_chunk(size), 6]),
        IDS: (
            "uint64",
            [MAX_BUCKETS, ENTRIES_IN_BUCKET, 4],
            [BUCKETS_IN_SHARD, ENTRIES_IN_BUCKET, 4],
            [1, ENTRIES_IN_BUCKET, 4],
        ),
    }[name]
    sharding = {
        "chunk_shape": chunk,
        "codecs": PADDED if name in (MEMORY, SCALES) else COMPRESSED,
        "index_codecs": [LITTLE, CRC32C],
        "index_location": "end",
    }
    return {
        "shape": shape,
        "data_type": dtype,
        "fill_value": 0,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": shard}},
        "codecs": [{"name": "sharding_indexed", "configuration": sharding}],
    }
