from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from glimmer_keras.memory import id_index
from glimmer_keras.memory.arrays import (
    BUCKETS_IN_SHARD,
    IDS,
    MEMORY,
    SCALES,
    shard_key,
)
from glimmer_keras.memory.manifest import Commit
from glimmer_keras.memory.records import CHECKSUM, HASH, LENGTH, memory_checksum
from glimmer_keras.memory.snapshot import Snapshot
from glimmer_keras.utils.location import read_error

# Bounds the memory of verifying: so many passages are read at a time.
ROWS_AT_ONCE = 32


def verify(snapshot: Snapshot, progress: Callable[[int, int], None] | None = None) -> list[str]:
    """Read all of a store and compare it with its checksums.

    Args:
        snapshot: The store.
        progress: Called with the passages read so far and their number.

    Returns:
        A line on each thing that is damaged, naming passage or file.
    """
    damage = snapshot.damaged_files()
    rows_read, manifest = 0, snapshot.manifest
    for commit in manifest.commits:
        damage += _damaged_buckets(snapshot, commit)
        for shard in manifest.shards(commit):
            first = shard * manifest.settings.shard_size
            count = min(manifest.settings.shard_size, commit.first_row + commit.rows - first)
            try:
                records = snapshot.shard_records(shard, count)
            except (ValueError, OSError) as error:
                damage.append(str(error))
                records = np.zeros((0, 6), "uint64")
            for start in range(0, len(records), ROWS_AT_ONCE):
                part = records[start : start + ROWS_AT_ONCE]
                rows = np.arange(first + start, first + start + len(part))
                damage += _damaged_rows(snapshot, commit, rows, part)
                if progress is not None:
                    progress(rows_read + start + len(part), manifest.rows)
            rows_read += count
    return damage


def _damaged_buckets(snapshot: Snapshot, commit: Commit) -> Iterator[str]:
    for bucket in range(commit.first_bucket, commit.first_bucket + commit.buckets):
        try:
            snapshot.arrays[IDS][bucket].read().result()
        except ValueError as error:
            key = shard_key(IDS, bucket // BUCKETS_IN_SHARD)
            yield str(read_error(snapshot.location.name(key), error))


def _damaged_rows(
    snapshot: Snapshot, commit: Commit, rows: np.ndarray, records: np.ndarray
) -> Iterator[str]:
    """Yield a line on each thing that is wrong with consecutive rows of one shard.

    Args:
        snapshot: The store.
        commit: The commit of the rows.
        rows: Integers `(n,)`.
        records: uint64 `(n, 6)`.
    """
    arrays = snapshot.arrays
    names = [name for name in (MEMORY, SCALES) if name in arrays]
    reads = [{name: arrays[name][row].read() for name in names} for row in rows.tolist()]
    indexed = np.full(len(rows), -1)
    try:
        indexed, lengths = id_index.find(arrays[IDS], commit, records[:, HASH])
        indexed[lengths != records[:, LENGTH]] = -1
    except ValueError:
        indexed = rows  # Reported with the buckets.
    for place, (row, record) in enumerate(zip(rows.tolist(), records, strict=True)):
        name = f"row {row}"
        try:
            name = f"passage {snapshot.passages(rows[place : place + 1])[0].id!r} ({name})"
        except (ValueError, OSError) as error:
            yield str(error)
        if indexed[place] != row:
            yield f"{snapshot.location.name(IDS)} is damaged: it does not lead to {name}"
        memory = {}
        for array, read in reads[place].items():
            shard = row // snapshot.manifest.settings.shard_size
            try:
                memory[array] = read.result()
            except ValueError as error:
                key = snapshot.location.name(shard_key(array, shard))
                yield str(read_error(f"{key}, {name}", error))
        if len(memory) == len(names):
            length = int(record[LENGTH])
            values, scales = memory[MEMORY], memory.get(SCALES)
            check = memory_checksum(values[:length], None if scales is None else scales[:length])
            padding = values[length:].any() or (scales is not None and scales[length:].any())
            if check != int(record[CHECKSUM]) or padding:
                yield f"{snapshot.location.path}: the memory of {name} is damaged: it is another's"
