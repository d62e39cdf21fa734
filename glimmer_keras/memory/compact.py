"""Giving the space of deleted passages back."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from glimmer_keras.memory.arrays import MEMORY, SCALES
from glimmer_keras.memory.records import CHECKSUM, LENGTH, memory_checksum
from glimmer_keras.memory.shard import Shard, shard_text
from glimmer_keras.memory.snapshot import Snapshot
from glimmer_keras.memory.store_writer import StoreWriter
from glimmer_keras.utils.manifest import CorruptFileError


def compact(snapshot: Snapshot, progress: Callable[[int, int], None] | None = None) -> None:
    """Write the passages that are not deleted anew behind all others, then remove those.

    Killed and called again it goes on where it was. Until the end the store is as it was.

    Args:
        snapshot: The store.
        progress: Called with the passages written so far and their number.

    Raises:
        CorruptFileError: If what is stored of a passage is damaged; the store is as it was.
        ValueError: If another writer changed the store meanwhile.
        OSError: If the disk is full or cannot be written; the store is as it was.
    """
    manifest = snapshot.manifest
    writer = StoreWriter(snapshot.location, manifest.settings, snapshot, keep=False)
    count, size = manifest.rows - manifest.num_deleted, manifest.settings.shard_size
    starts = range(0, count, size)
    if manifest.num_deleted:
        for number, start in enumerate(starts):
            rows = manifest.rows_at(np.arange(start, min(start + size, count)))
            passages = snapshot.passages(rows)
            if not writer.done(number, passages):
                writer.write(number, _copied(snapshot, rows, passages))
            if progress is not None:
                progress(start + len(rows), count)
        writer.complete(len(starts))
    writer.remove_unused()


def _copied(snapshot, rows, passages):
    """The shard of rows `(n,)`, its memory as it is stored."""
    settings = snapshot.manifest.settings
    arrays = {name: snapshot.arrays[name] for name in (MEMORY, SCALES) if name in snapshot.arrays}
    try:
        values = {name: array[rows].read().result() for name, array in arrays.items()}
        records = snapshot.records(rows)
    except ValueError as error:
        raise snapshot.error(f"{snapshot.location.path}: memory", error) from error
    memory, scales = values[MEMORY], values.get(SCALES)
    text, padded = shard_text(settings, passages)
    for number, record in enumerate(records):
        length = int(record[LENGTH])
        of_passage = None if scales is None else scales[number, :length]
        if memory_checksum(memory[number, :length], of_passage) != int(record[CHECKSUM]):
            raise CorruptFileError(
                f"{snapshot.location.path}: the memory of passage {passages[number].id!r} is "
                "damaged: it is another's"
            )
        padded[number, [LENGTH, CHECKSUM]] = record[[LENGTH, CHECKSUM]]
    return Shard(memory, scales, text, padded)
