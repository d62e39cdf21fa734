from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from glimmer_keras.memory import id_index
from glimmer_keras.memory.arrays import (
    IDS,
    MEMORY,
    RECORDS,
    TEXT,
    array_names,
    cache_context,
    open_array,
    shard_key,
)
from glimmer_keras.memory.codebooks import read_quantizer
from glimmer_keras.memory.manifest import Manifest
from glimmer_keras.memory.records import HASH, SIZE, START, decode_passage, hash_ids
from glimmer_keras.memory.stored_passage import StoredPassage
from glimmer_keras.utils.forked import check_process
from glimmer_keras.utils.location import Location, read_error
from glimmer_keras.utils.manifest import MANIFEST, CorruptFileError, sha256

# Of all but the memory itself: a passage's entry in the index of ids, its scales, its text.
LOOKUP_CACHE_BYTES = 2**26


class Snapshot:
    """A store as one manifest describes it; later changes do not reach it.

    Args:
        location: Where the store is.
        cache_bytes: Bound of the cache of memory.

    Raises:
        FileNotFoundError: If there is no complete store.
        CorruptFileError: If the manifest or an array's description is damaged.
        ValueError: If the store is of a later version.
    """

    def __init__(self, location: Location, cache_bytes: int = 0) -> None:
        self.location = location
        encoded, self.generation = location.read(MANIFEST)
        if encoded is None:
            raise FileNotFoundError(
                f"`path` must be a complete store, and there is no {MANIFEST}. "
                f"Received: path={location.path!r}"
            )
        self.manifest = Manifest.decode(encoded, location.name(MANIFEST))
        for damage in self.damaged_files():
            raise CorruptFileError(damage)
        settings = self.manifest.settings
        self.quantizer = read_quantizer(location, settings)
        self._arrays: dict[str, Any] = {}
        lookup, memory = cache_context(LOOKUP_CACHE_BYTES), cache_context(cache_bytes)
        for name in array_names(settings):
            context = memory if name == MEMORY else lookup
            try:
                self._arrays[name] = open_array(location, settings, name, context=context)
            except ValueError as error:
                raise read_error(location.name(f"{name}/zarr.json"), error) from error

    @property
    def arrays(self) -> dict[str, Any]:
        """The store's arrays by name."""
        check_process()
        return self._arrays

    def damaged_files(self) -> list[str]:
        """List a line on each file that is not as the manifest says."""
        damage = []
        for name, expected in self.manifest.files.items():
            content, _ = self.location.read(name)
            received = None if content is None else sha256(content)
            if received != expected:
                damage.append(
                    f"{self.location.name(name)} is damaged: its SHA-256 must be {expected}. "
                    f"Received: {received or 'no such file'}"
                )
        return damage

    def error(self, where: str, error: Exception) -> Exception:
        """What to raise for what TensorStore said on reading `where`."""
        if self.location.read(MANIFEST)[1] != self.generation:
            return ValueError(
                f"{self.location.path} was compacted or replaced since it was opened: open it again"
            )
        return read_error(where, error)

    def find(self, hashes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Look ids up by their hashes.

        Args:
            hashes: uint64 `(n, 2)` from `hash_ids`.

        Returns:
            int64 rows `(n,)`, -1 for unknown and deleted ids, and int64 lengths `(n,)`.
        """
        rows, lengths = np.full(len(hashes), -1, "int64"), np.zeros(len(hashes), "int64")
        for commit in reversed(self.manifest.commits):
            left = np.flatnonzero(rows < 0)
            if not len(left):
                break
            try:
                rows_here, sizes = id_index.find(self.arrays[IDS], commit, hashes[left])
            except ValueError as error:
                raise self.error(self.location.name(IDS), error) from error
            known = (rows_here >= 0) & ~self.manifest.is_deleted(rows_here)
            rows[left[known]], lengths[left[known]] = rows_here[known], sizes[known]
        return rows, lengths

    def find_ids(self, ids: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Look ids up, and give their rows and lengths as `find` does.

        Raises:
            ValueError: If there are ids that the store does not hold.
        """
        rows, lengths = self.find(hash_ids(ids))
        unknown = [repr(i) for i, row in zip(ids, rows, strict=True) if row < 0]
        if unknown:
            more = f" and {len(unknown) - 3} more" if len(unknown) > 3 else ""
            raise ValueError(
                f"`ids` must be ids of passages in {self.location.path}. "
                f"Received: {', '.join(unknown[:3])}{more}"
            )
        return rows, lengths

    def shard_records(self, shard: int, rows: int) -> np.ndarray:
        """Read uint64 records `(rows, 6)` of the first passages of a shard."""
        first = shard * self.manifest.settings.shard_size
        try:
            return self.arrays[RECORDS][first : first + rows].read().result()
        except ValueError as error:
            raise self.error(self.location.name(shard_key(RECORDS, shard)), error) from error

    def records(self, rows: np.ndarray) -> np.ndarray:
        """Read uint64 records `(n, 6)` of rows `(n,)`."""
        try:
            return self.arrays[RECORDS][rows].read().result()
        except ValueError as error:
            raise self.error(self.location.name(RECORDS), error) from error

    def passages(self, rows: np.ndarray) -> list[StoredPassage]:
        """Read the passages of rows `(n,)` that exist, all in parallel.

        Raises:
            CorruptFileError: If one is damaged, or not the one its row should hold.
        """
        size = self.manifest.settings.shard_size
        if not len(rows):
            return []
        records = self.records(rows)
        reads = []
        for row, record in zip(rows.tolist(), records, strict=True):
            start = int(record[START])
            text = self.arrays[TEXT][row // size, start : start + int(record[SIZE])]
            reads.append(text.read())
        passages = []
        for row, record, read in zip(rows.tolist(), records, reads, strict=True):
            name = f"{self.location.name(shard_key(TEXT, row // size))}, row {row}"
            try:
                encoded = read.result().tobytes()
            except ValueError as error:
                raise self.error(name, error) from error
            try:
                passage = decode_passage(encoded)
            except ValueError as error:
                raise CorruptFileError(f"{name} is damaged: {error}") from error
            if (hash_ids([passage.id])[0] != record[HASH]).any():
                raise CorruptFileError(f"{name} is damaged: it holds {passage.id!r}")
            passages.append(passage)
        return passages

    def describe(self, row: int) -> str:
        """Name a passage for messages."""
        try:
            return f"passage {self.passages(np.array([row]))[0].id!r} (row {row})"
        except (ValueError, OSError):
            return f"row {row}"
