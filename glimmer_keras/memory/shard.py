"""From what a caller hands over to the arrays of one shard, checked before anything is written."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from glimmer_keras.memory.arrays import TEXT_CHUNK, numpy_dtype, records_in_chunk, text_capacity
from glimmer_keras.memory.manifest import Settings
from glimmer_keras.memory.product_quantizer import ProductQuantizer
from glimmer_keras.memory.quantize import quantize
from glimmer_keras.memory.records import (
    CHECKSUM,
    COLUMNS,
    LENGTH,
    HasText,
    encode_passages,
    memory_checksum,
)

FLOATS = ("float16", "bfloat16", "float32", "float64")


@dataclass(frozen=True, eq=False)
class Shard:
    """Arrays that are written of `n` passages.

    Args:
        memory: Stored dtype `(n, passage_length, dim)`.
        scales: float32 `(n, passage_length)`, `None` where the dtype is not int8.
        text: uint8, whole chunks.
        records: uint64 `(m, 6)`, whole chunks.
    """

    memory: np.ndarray
    scales: np.ndarray | None
    text: np.ndarray
    records: np.ndarray


def make_shard(
    settings: Settings,
    memory: np.ndarray | Sequence[np.ndarray],
    lengths: Sequence[int] | np.ndarray,
    passages: Sequence[HasText],
    quantizer: ProductQuantizer | None = None,
) -> Shard:
    """Check, convert and pad what is written of a shard.

    Args:
        settings: Settings of the store.
        memory: Floats `(n, length, dim)`, or `n` arrays `(length, dim)`.
        lengths: Integers `(n,)`, tokens of each passage.
        passages: `n` objects with `id`, `title` and `text`.
        quantizer: Of a store of product quantisation.

    Raises:
        ValueError: If something does not fit, as `StoreWriter.write_shard` tells.
    """
    lengths = check_memory(settings, memory, lengths)
    count, length = len(lengths), settings.passage_length
    if count > settings.shard_size:
        raise ValueError(
            f"`memory` must hold at most shard_size={settings.shard_size} passages. "
            f"Received: {count}"
        )
    text, records = shard_text(settings, passages)
    if len(records) < count or len(passages) != count:
        raise ValueError(
            f"`passages` must be as many as `memory` holds: {count}. Received: {len(passages)}"
        )
    kind, dim = settings.stored
    dtype = numpy_dtype(settings.read_dtype)
    padded = np.zeros((count, length, dim), numpy_dtype(kind))
    scales = np.zeros((count, length), "float32") if settings.dtype == "int8" else None
    records[:count, LENGTH] = lengths
    for number, size in enumerate(lengths.tolist()):
        # What is too great for the stored type becomes infinite and is refused.
        with np.errstate(over="ignore", invalid="ignore"):
            values = np.asarray(memory[number][:size]).astype("float32")
            stored = values if scales is not None else values.astype(dtype)
        if not np.isfinite(stored.astype("float32", copy=False)).all():
            raise ValueError(
                f"`memory` must be finite as {settings.dtype}. "
                f"Received: nan or inf in passage {passages[number].id!r} at {number}"
            )
        if quantizer is not None:
            padded[number, :size] = quantizer.encode(values)
        elif scales is None:
            padded[number, :size] = stored
        else:
            padded[number, :size], scales[number, :size] = quantize(values)
        check = memory_checksum(
            padded[number, :size], None if scales is None else scales[number, :size]
        )
        records[number, CHECKSUM] = check
    return Shard(padded, scales, text, records)


def shard_text(settings: Settings, passages: Sequence[HasText]) -> tuple[np.ndarray, np.ndarray]:
    """Encode text `(bytes,)` and records `(rows, 6)` of passages, padded to whole chunks."""
    encoded, records = encode_passages(passages)
    if len(encoded) > text_capacity(settings):
        raise ValueError(
            f"`passages` must have at most {text_capacity(settings)} bytes of text in a shard of "
            f"{settings.shard_size}. Received: {len(encoded)} bytes"
        )
    text = np.zeros(-(-len(encoded) // TEXT_CHUNK) * TEXT_CHUNK, "uint8")
    text[: len(encoded)] = np.frombuffer(encoded, "uint8")
    chunk = records_in_chunk(settings.shard_size)
    padded = np.zeros((-(-len(records) // chunk) * chunk, COLUMNS), "uint64")
    padded[: len(records)] = records
    return text, padded


def check_memory(
    settings: Settings,
    memory: np.ndarray | Sequence[np.ndarray],
    lengths: Sequence[int] | np.ndarray,
) -> np.ndarray:
    """Compare shapes and types with the settings; give the lengths as int64 `(n,)`."""
    if not len(memory):
        raise ValueError("`memory` must hold at least one passage. Received: 0 passages")
    lengths = np.asarray(lengths)
    if lengths.ndim != 1 or lengths.dtype.kind not in "iu" or len(lengths) != len(memory):
        raise ValueError(
            f"`lengths` must be integers of shape ({len(memory)},), one for each passage of "
            f"`memory`. Received: {lengths.dtype} of shape {lengths.shape}"
        )
    for number, (passage, length) in enumerate(zip(memory, lengths.tolist(), strict=True)):
        shape, dtype = np.shape(passage), getattr(passage, "dtype", None)
        if len(shape) != 2 or shape[1] != settings.hidden_dim or str(dtype) not in FLOATS:
            raise ValueError(
                f"`memory` must be of floats of shape (passages, length, {settings.hidden_dim}). "
                f"Received: {dtype} of shape {shape} for passage {number}"
            )
        longest = min(shape[0], settings.passage_length)
        if not 1 <= length <= longest:
            raise ValueError(
                f"`lengths` must be from 1 to {longest} (`memory` has {shape[0]} tokens, "
                f"passage_length is {settings.passage_length}). "
                f"Received: length={length} for passage {number}"
            )
    return lengths.astype("int64")
