from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from glimmer_keras.memory.arrays import MEMORY, SCALES, numpy_dtype
from glimmer_keras.memory.memory_batch import MemoryBatch
from glimmer_keras.memory.snapshot import Snapshot

Ids = str | None | Sequence[Any] | np.ndarray


def read_batch(snapshot: Snapshot, ids: Ids, lengths: Sequence[int]) -> MemoryBatch:
    """Read the memory of passages in parallel.

    Args:
        snapshot: The store.
        ids: Ids nested in sequences, as `MemoryStore.read` takes them.
        lengths: Lengths of the result, of which the least is taken that cuts no passage.

    Raises:
        ValueError: If an id is unknown.
        CorruptFileError: If what is stored is damaged; the message names the passage.
    """
    settings = snapshot.manifest.settings
    flat, shape = flatten(ids)
    places = np.array([place for place, i in enumerate(flat) if i], "int64")
    rows, sizes = snapshot.find_ids([str(flat[place]) for place in places])
    fitting = [length for length in lengths if length >= max(sizes, default=0)]
    length = min(fitting) if fitting else max(lengths)
    # A passage asked for twice is read once.
    unique, first, which = np.unique(rows, return_index=True, return_inverse=True)
    whole = len(unique) == len(flat) and length <= settings.passage_length
    make = np.empty if whole else np.zeros
    kind, dim = settings.stored
    values = make((len(flat), length, dim), numpy_dtype(kind))
    scales = make((len(flat), length), "float32") if settings.dtype == "int8" else None
    filled = {MEMORY: values} if scales is None else {MEMORY: values, SCALES: scales}
    if whole:
        _fill(snapshot, filled, rows, slice(None))
    else:
        _fill(snapshot, filled, unique, places[first])
        again = np.setdiff1d(np.arange(len(places)), first)
        for buffer in filled.values():
            buffer[places[again]] = buffer[places[first[which[again]]]]
    tokens = np.zeros(len(flat), "int32")
    tokens[places] = np.minimum(sizes, length)
    if snapshot.quantizer is not None:
        values = snapshot.quantizer.decode(values)
        for row, size in enumerate(tokens.tolist()):
            values[row, size:] = 0
    return MemoryBatch(
        values.reshape(*shape, *values.shape[1:]),  # (ids, length, dim) -> (*shape, length, dim)
        None if scales is None else scales.reshape(*shape, length),
        tokens.reshape(shape),
    )


def flatten(ids: Ids) -> tuple[list[str | None], tuple[int, ...]]:
    """Give the ids one after the other, and their shape.

    Raises:
        ValueError: If sequences at one level differ in length, or there is something else.
    """
    if ids is None or isinstance(ids, str):
        return [ids], ()
    if not isinstance(ids, Sequence | np.ndarray):
        raise ValueError(f"`ids` must be strings, nested in sequences. Received: {ids!r}")
    parts = [flatten(part) for part in ids]
    shapes = {shape for _, shape in parts}
    if len(shapes) > 1:
        raise ValueError(
            f"`ids` must have the same shape in all parts. Received: shapes {sorted(shapes)}"
        )
    shape = (len(parts), *(shapes.pop() if shapes else ()))
    return [i for flat, _ in parts for i in flat], shape


def _fill(snapshot: Snapshot, filled: dict[str, np.ndarray], rows: np.ndarray, places: Any) -> None:
    """Read `rows` into `places` of the buffers, as far as the store has tokens."""
    import tensorstore as ts

    if not len(rows):
        return
    reads = []
    for name, buffer in filled.items():
        tokens = min(snapshot.manifest.settings.passage_length, buffer.shape[1])
        target = ts.array(buffer)[places, :tokens]
        reads.append(target.write(snapshot.arrays[name][rows, :tokens]))
    try:
        for read in reads:
            read.result()
    except ValueError as error:
        for row in rows.tolist():  # Which one was it?
            try:
                for name in filled:
                    snapshot.arrays[name][row].read().result()
            except ValueError as cause:
                where = f"{snapshot.location.path}: the memory of {snapshot.describe(row)}"
                raise snapshot.error(where, cause) from error
        raise snapshot.error(f"{snapshot.location.path}: memory", error) from error
