from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from glimmer_keras.memory import id_index
from glimmer_keras.memory.arrays import (
    BUCKETS_IN_SHARD,
    IDS,
    MAX_SHARDS,
    MEMORY,
    RECORDS,
    SCALES,
    TEXT,
    array_names,
    open_array,
    shard_key,
)
from glimmer_keras.memory.codebooks import CODEBOOKS, read_quantizer, write_codebooks
from glimmer_keras.memory.manifest import VERSION, Commit, Manifest, Settings
from glimmer_keras.memory.product_quantizer import ProductQuantizer
from glimmer_keras.memory.records import LENGTH, SIZE, START, HasText, decode_passage
from glimmer_keras.memory.shard import Shard, make_shard, shard_text
from glimmer_keras.memory.snapshot import Snapshot
from glimmer_keras.utils.location import ABSENT, Location, read_error
from glimmer_keras.utils.manifest import FORMAT, MANIFEST, differences, sha256

GROUP = "zarr.json"


class StoreWriter:
    """Writes the shards of a new store, or of an addition to one; readers see none before the end.

    Made by `MemoryStore.create` and `MemoryStore.appender`. Processes on any number of machines
    can each make one on the same path and write different shards; one of them calls `complete`
    when all are there. What a killed writer left is taken up by the next: `done` tells which
    shards need not be written again, and the finished store is the same byte for byte.

    Args:
        location: Where the store is.
        settings: Settings of the store.
        base: The store to append to, `None` for a new one.
        replace: Whether passages may have ids of the store, whose passages they replace.
        keep: Whether the passages of the store stay, beside those written.
        quantizer: Of a new store of product quantisation; `None` for the one that it has.
    """

    def __init__(
        self,
        location: Location,
        settings: Settings,
        base: Snapshot | None = None,
        replace: bool = False,
        keep: bool = True,
        quantizer: ProductQuantizer | None = None,
    ) -> None:
        self._replace, self._keep = replace, keep
        self._location = location
        self._settings = settings
        self._base = base
        self._first_shard = self._first_bucket = 0
        if base is None:
            _write_group(location, settings)
            if settings.is_product:
                write_codebooks(location, settings, quantizer)
        elif base.manifest.commits:
            last = base.manifest.commits[-1]
            self._first_shard = base.manifest.shards(last).stop
            used = last.first_bucket + last.buckets
            self._first_bucket = -(-used // BUCKETS_IN_SHARD) * BUCKETS_IN_SHARD
        self._quantizer = read_quantizer(location, settings)
        try:
            self._arrays = {
                name: open_array(
                    location, settings, name, create=True, fill_missing=name == RECORDS
                )
                for name in array_names(settings)
            }
        except ValueError as error:
            raise OSError(f"{location.path} cannot be written: {error}") from error

    @property
    def shard_size(self) -> int:
        """Passages in a shard; only the last may hold fewer."""
        return self._settings.shard_size

    def write_shard(
        self,
        number: int,
        memory: np.ndarray | Sequence[np.ndarray],
        lengths: Sequence[int] | np.ndarray,
        passages: Sequence[HasText],
    ) -> None:
        """Write a shard, in place of one that is there already.

        Args:
            number: Number of the shard, from 0.
            memory: Floats `(n, length, dim)`, or `n` arrays `(length, dim)` of different lengths;
                `n` is at most `shard_size`. Quantised here if the store is int8.
            lengths: Tokens of each passage, `(n,)`; what comes after them is not stored.
            passages: `n` objects with `id`, `title` and `text`.

        Raises:
            ValueError: If the shapes do not fit the store, a number is not finite, an id is
                empty or there twice, or the text has more than 16 KiB for each passage; nothing
                is written.
            OSError: If the disk is full or cannot be written; the shard is not done.
        """
        self._check_number(number)
        self.write(number, make_shard(self._settings, memory, lengths, passages, self._quantizer))

    def write(self, number: int, shard: Shard) -> None:
        """Write a shard that is made, as `write_shard` does."""
        self._check_unchanged()
        place = self._first_shard + number
        # Records go first and come last: while they are there, all the rest is.
        for name in (RECORDS, MEMORY, SCALES, TEXT):
            if name in self._arrays:
                self._location.delete(shard_key(name, place))
        row, arrays = place * self.shard_size, self._arrays
        rows = slice(row, row + len(shard.memory))
        try:
            writes = [
                arrays[MEMORY][rows].write(shard.memory),
                arrays[TEXT][place, : len(shard.text)].write(shard.text),
            ]
            if shard.scales is not None:
                writes.append(arrays[SCALES][rows].write(shard.scales))
            for write in writes:
                write.result()
            arrays[RECORDS][row : row + len(shard.records)].write(shard.records).result()
        except ValueError as error:
            raise OSError(f"shard {number} cannot be written: {error}") from error

    def done(self, number: int, passages: Sequence[HasText] | None = None) -> bool:
        """Tell whether a shard is written completely.

        Args:
            number: Number of the shard, from 0.
            passages: Passages that it must be written with; `None` for any.
        """
        self._check_number(number)
        records = self._records(number)
        if records is None or passages is None:
            return records is not None
        text, expected = shard_text(self._settings, passages)
        expected = expected[: len(passages)]
        known = [0, 1, START, SIZE]
        if len(records) != len(expected) or (records[:, known] != expected[:, known]).any():
            return False
        try:
            place = self._first_shard + number
            stored = self._arrays[TEXT][place, : len(text)].read().result()
        except ValueError:
            return False
        return bool((stored == text).all())

    def complete(self, num_shards: int) -> None:
        """Make the shards from 0 to `num_shards` a part of the store.

        Called once, when all of them are written and no worker writes any more.

        Args:
            num_shards: At least 1.

        Raises:
            ValueError: If a shard is not written, one before the last holds fewer than
                `shard_size` passages, or an id is there twice; the store is as it was.
            OSError: If the disk is full or cannot be written; the store is as it was.
        """
        if num_shards < (1 if self._keep else 0):
            raise ValueError(f"`num_shards` must be at least 1. Received: num_shards={num_shards}")
        self._check_unchanged()
        commit = self._commit(num_shards)
        replaced: list[np.ndarray] = []
        self._remove_strays(IDS, commit.first_bucket // BUCKETS_IN_SHARD)
        try:
            id_index.build(
                self._arrays[IDS],
                commit,
                lambda: self._shards(num_shards),
                lambda hashes: self._earlier_rows(hashes, replaced),
            )
        except id_index.DuplicateRowsError as error:
            first, second = error.rows
            raise ValueError(
                "passages must have distinct ids. "
                f"Received: id={self._id(second)!r} in rows {first} and {second}"
            ) from None
        except ValueError as error:
            raise OSError(f"the index of ids cannot be written: {error}") from error
        for name in self._arrays:
            if name != IDS:
                self._remove_strays(name, self._first_shard + num_shards)
        self._location.remove_unfinished()
        files = {f"{name}/zarr.json": b"" for name in self._arrays} | {GROUP: b""}
        if self._quantizer is not None:
            files[CODEBOOKS] = b""
        for name in files:
            files[name] = self._location.read(name)[0] or b""
        old = self._base.manifest if self._base and self._keep else None
        manifest = Manifest(
            self._settings,
            (*(old.commits if old else ()), *([commit] if num_shards else [])),
            old.deleted if old else (),
            {name: sha256(content) for name, content in sorted(files.items())},
        )
        if replaced:
            manifest = manifest.with_deleted(np.concatenate(replaced))
        generation = self._base.generation if self._base else ABSENT
        if not self._location.write(MANIFEST, manifest.encode(), if_generation=generation):
            self._raise_changed()

    def remove_unused(self) -> None:
        """Remove the files of passages that are in the store no more; for who had them open, too.

        Called when `complete` is done, if the passages before were not kept.
        """
        manifest = Snapshot(self._location).manifest
        shards = [manifest.shards(commit) for commit in manifest.commits]
        buckets = [
            range(
                commit.first_bucket // BUCKETS_IN_SHARD,
                -(-(commit.first_bucket + commit.buckets) // BUCKETS_IN_SHARD),
            )
            for commit in manifest.commits
        ]
        for name in self._arrays:
            used = buckets if name == IDS else shards
            for key in self._location.keys(f"{name}/c/"):
                if not any(int(key.split("/")[2]) in part for part in used):
                    self._location.delete(key)

    def _check_number(self, number: int) -> None:
        if not 0 <= number < MAX_SHARDS - self._first_shard:
            raise ValueError(
                f"`number` must be from 0 to {MAX_SHARDS - self._first_shard - 1}. "
                f"Received: number={number}"
            )

    def _check_unchanged(self) -> None:
        generation = self._base.generation if self._base else ABSENT
        if self._location.read(MANIFEST)[1] != generation:
            self._raise_changed()

    def _raise_changed(self) -> None:
        path = self._location.path
        if self._base is None:
            raise FileExistsError(f"`path` must hold no complete store. Received: path={path!r}")
        raise ValueError(
            f"{path} was changed by another writer: open it again and append to what is there now"
        )

    def _records(self, number: int) -> np.ndarray | None:
        """Read records `(n, 6)` of the passages of a shard, `None` if it is not written."""
        place = self._first_shard + number
        names = [name for name in self._arrays if name not in (RECORDS, IDS)]
        if not all(self._location.exists(shard_key(name, place)) for name in names):
            return None
        row = place * self.shard_size
        try:
            records = self._arrays[RECORDS][row : row + self.shard_size].read().result()
        except ValueError:
            return None
        count = int((records[:, LENGTH] > 0).sum())
        return records[:count] if count and (records[:count, LENGTH] > 0).all() else None

    def _commit(self, num_shards: int) -> Commit:
        """Sum up what is written, and check that nothing is missing."""
        rows, tokens, digest = 0, 0, hashlib.sha256()
        for number in range(num_shards):
            records = self._records(number)
            if records is None:
                raise ValueError(
                    "`num_shards` must count shards that are written. "
                    f"Received: num_shards={num_shards}, and shard {number} is not written"
                )
            if len(records) < self.shard_size and number < num_shards - 1:
                raise ValueError(
                    f"shards before the last must hold shard_size={self.shard_size} passages. "
                    f"Received: {len(records)} in shard {number} of {num_shards}"
                )
            rows, tokens = rows + len(records), tokens + int(records[:, LENGTH].sum())
            digest.update(records.astype("<u8", order="C").data)
        row = self._first_shard * self.shard_size
        buckets = id_index.num_buckets(rows)
        return Commit(row, rows, tokens, self._first_bucket, buckets, digest.hexdigest())

    def _shards(self, num_shards: int) -> Iterator[tuple[int, np.ndarray]]:
        """Yield the first row and the records `(n, 6)` of each shard."""
        for number in range(num_shards):
            records = self._records(number)
            if records is None:
                raise ValueError(f"shard {number} is no longer there")
            yield (self._first_shard + number) * self.shard_size, records

    def _earlier_rows(self, hashes: np.ndarray, replaced: list[np.ndarray]) -> np.ndarray:
        """Rows `(n,)` that hold hashes `(n, 2)` and are in the way, -1 where none is.

        Those that are replaced are added to `replaced`.
        """
        none = np.full(len(hashes), -1, "int64")
        if self._base is None or not self._keep:
            return none
        rows = self._base.find(hashes)[0]
        if not self._replace:
            return rows
        replaced.append(rows[rows >= 0])
        return none

    def _id(self, row: int) -> str:
        """Read the id in a row of what is being written."""
        try:
            record = self._arrays[RECORDS][row].read().result()
            start, size = int(record[START]), int(record[SIZE])
            text = self._arrays[TEXT][row // self.shard_size, start : start + size].read().result()
        except ValueError as error:
            raise read_error(f"row {row}", error) from error
        return decode_passage(text.tobytes()).id

    def _remove_strays(self, name: str, end: int) -> None:
        """Remove files that killed writers left behind the end of an array."""
        for key in self._location.keys(f"{name}/c/"):
            if int(key.split("/")[2]) >= end:
                self._location.delete(key)


def _write_group(location: Location, settings: Settings) -> None:
    """Write the settings of an unfinished store, or compare with those it has."""
    expected: dict[str, Any] = {FORMAT: VERSION, **settings.to_json()}
    group = {"zarr_format": 3, "node_type": "group", "attributes": {"glimmer_keras": expected}}
    content = json.dumps(group, indent=1, sort_keys=True).encode() + b"\n"
    if location.write(GROUP, content, if_generation=ABSENT):
        return
    existing = location.read(GROUP)[0] or b""
    if existing != content:
        try:
            received = json.loads(existing)["attributes"]["glimmer_keras"]
        except (ValueError, KeyError, TypeError):
            received = {}
        raise ValueError(
            f"{location.path} holds an unfinished store, which must be made with "
            f"{differences(_flat(received), _flat(expected))}"
        )


def _flat(settings: dict[str, Any]) -> dict[str, Any]:
    """Put the entries of the fingerprint beside the other settings."""
    fingerprint = settings.get("fingerprint")
    if not isinstance(fingerprint, dict):
        return settings
    return {**settings, "fingerprint": None, **fingerprint}
