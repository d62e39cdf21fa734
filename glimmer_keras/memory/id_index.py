"""From ids to rows: buckets of hashes, found by arithmetic, so that opening reads none of them.

The hash of an id says which bucket of a commit holds it. A bucket is a chunk with room for twice
the entries it has on average; for it to overflow, the hash would have to be 12 standard deviations
off.
"""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from glimmer_keras.memory.arrays import BUCKETS_IN_SHARD, ENTRIES_IN_BUCKET
from glimmer_keras.memory.manifest import Commit
from glimmer_keras.memory.records import HASH, LENGTH

# An entry: the two halves of the hash, the row plus 1 (0 where there is no entry), the length.
ROW = 2
MEAN_ENTRIES = ENTRIES_IN_BUCKET // 2
# Bounds the memory of building an index: so many entries are sorted at a time.
ENTRIES_IN_PASS = 2**22
QUERIES_IN_BLOCK = 1024


class DuplicateRowsError(Exception):
    """Two rows have the same id; caught by who can tell the id."""

    def __init__(self, first: int, second: int) -> None:
        super().__init__(first, second)
        self.rows = first, second


def num_buckets(rows: int) -> int:
    """Count the buckets that hold the ids of so many rows."""
    return -(-rows // MEAN_ENTRIES)


def bucket_of(hashes: np.ndarray, buckets: int) -> np.ndarray:
    """Give the bucket of each hash: its first half times buckets over 2^64.

    Args:
        hashes: uint64 `(n, 2)`, or entries that begin with them.
        buckets: Number of buckets.

    Returns:
        int64 `(n,)` below `buckets`.
    """
    high, low = hashes[:, 0] >> np.uint64(32), hashes[:, 0] & np.uint64(2**32 - 1)
    count = np.uint64(buckets)
    return ((high * count + (low * count >> np.uint64(32))) >> np.uint64(32)).astype("int64")


def find(array: Any, commit: Commit, hashes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Look ids up in one commit.

    Args:
        array: The `ids` array.
        commit: Where to look.
        hashes: uint64 `(n, 2)` from `hash_ids`.

    Returns:
        int64 rows `(n,)`, -1 where the commit has no such id, and int64 lengths `(n,)`.
    """
    rows = np.full(len(hashes), -1, "int64")
    lengths = np.zeros(len(hashes), "int64")
    for start in range(0, len(hashes), QUERIES_IN_BLOCK):
        part = hashes[start : start + QUERIES_IN_BLOCK]
        wanted, which = np.unique(bucket_of(part, commit.buckets), return_inverse=True)
        entries = array[wanted + commit.first_bucket].read().result()  # (buckets, entries, 4)
        # Half of the hash finds the place; the other half and an entry's presence confirm it.
        query, place = np.nonzero(entries[..., 0][which] == part[:, :1])
        matches = entries[which[query], place]  # (matches, 4)
        sure = (matches[:, 1] == part[query, 1]) & (matches[:, ROW] > 0)
        query, matches = query[sure], matches[sure]
        rows[start + query] = matches[:, ROW].astype("int64") - 1
        lengths[start + query] = matches[:, ROW + 1].astype("int64")
    return rows, lengths


def build(
    array: Any,
    commit: Commit,
    shards: Callable[[], Iterable[tuple[int, np.ndarray]]],
    earlier: Callable[[np.ndarray], np.ndarray],
) -> None:
    """Write the index of one commit.

    Args:
        array: The `ids` array.
        commit: Its rows and buckets.
        shards: Gives the first row and the records of each shard; called for each pass.
        earlier: Given hashes `(n, 2)`, the rows that hold them in earlier commits, or -1.

    Raises:
        DuplicateRowsError: If two rows have the same id.
    """
    step = max(1, ENTRIES_IN_PASS // MEAN_ENTRIES // BUCKETS_IN_SHARD) * BUCKETS_IN_SHARD
    for low in range(0, commit.buckets, step):
        high = min(low + step, commit.buckets)
        entries = _entries(commit, shards(), low, high)
        same = np.flatnonzero((entries[1:, HASH] == entries[:-1, HASH]).all(-1))
        if len(same):
            pair = entries[same[0] : same[0] + 2, ROW].astype("int64") - 1
            raise DuplicateRowsError(int(pair[0]), int(pair[1]))
        others = earlier(entries[:, HASH])
        for place in np.flatnonzero(others >= 0)[:1]:
            raise DuplicateRowsError(int(others[place]), int(entries[place, ROW]) - 1)
        buckets = bucket_of(entries, commit.buckets)
        for first in range(low, high, BUCKETS_IN_SHARD):
            last = min(first + BUCKETS_IN_SHARD, high)
            begin, end = np.searchsorted(buckets, [first, last])
            table = _table(entries[begin:end], buckets[begin:end] - first, last - first)
            where = slice(commit.first_bucket + first, commit.first_bucket + last)
            array[where].write(table).result()


def _entries(
    commit: Commit, shards: Iterable[tuple[int, np.ndarray]], low: int, high: int
) -> np.ndarray:
    """Collect the entries `(n, 4)` of the buckets from `low` to `high`, by hash, then by row."""
    parts = []
    for first_row, records in shards:
        buckets = bucket_of(records, commit.buckets)
        chosen = np.flatnonzero((low <= buckets) & (buckets < high))
        part = np.empty((len(chosen), 4), "uint64")
        part[:, HASH] = records[chosen, HASH]
        part[:, ROW] = chosen + first_row + 1
        part[:, ROW + 1] = records[chosen, LENGTH]
        parts.append(part)
    entries = np.concatenate(parts)
    return entries[np.lexsort((entries[:, ROW], entries[:, 1], entries[:, 0]))]


def _table(entries: np.ndarray, buckets: np.ndarray, count: int) -> np.ndarray:
    """Lay sorted entries `(n, 4)` out as buckets `(count, entries, 4)`; the rest is zero."""
    table = np.zeros((count, ENTRIES_IN_BUCKET, 4), "uint64")
    places = np.arange(len(entries)) - np.searchsorted(buckets, buckets)
    if len(places) and places.max() >= ENTRIES_IN_BUCKET:
        raise RuntimeError(f"more than {ENTRIES_IN_BUCKET} ids share a bucket")
    table[buckets, places] = entries
    return table
