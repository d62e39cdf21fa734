from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from glimmer_keras.memory.compact import compact
from glimmer_keras.memory.convert import convert
from glimmer_keras.memory.manifest import VERSION, Settings, check_fingerprint
from glimmer_keras.memory.memory_batch import MemoryBatch
from glimmer_keras.memory.product_quantizer import ProductQuantizer
from glimmer_keras.memory.reading import Ids, read_batch
from glimmer_keras.memory.records import HasText, hash_ids
from glimmer_keras.memory.snapshot import Snapshot
from glimmer_keras.memory.store_writer import StoreWriter
from glimmer_keras.memory.stored_passage import StoredPassage
from glimmer_keras.memory.verify import verify
from glimmer_keras.utils.checks import check_integer
from glimmer_keras.utils.location import ABSENT, Location
from glimmer_keras.utils.manifest import FORMAT, MANIFEST, differences, sha256

# How long short changes wait for another writer.
SECONDS_WAITED = 10.0
# Passages that are read together to give all of them one by one.
PASSAGES_AT_ONCE = 256


class MemoryStore:
    """Token representations of passages, computed once and read by id.

    Made by `MemoryStore.open`; `MemoryStore.create` begins a new one. It shows the store as it was
    when opened and as `append` and `delete` of this object leave it; what others change is seen
    after opening it again. Reading may be done from several threads.

    Args:
        location: Where the store is.
        cache_bytes: Bound of a cache of memory that was read.

    Example:
        writer = MemoryStore.create("wiki.memory", hidden_dim=768, passage_length=304)
        writer.write_shard(0, memory, lengths, passages)
        writer.complete(num_shards=1)
        store = MemoryStore.open("wiki.memory")
        batch = store.read([["p1", "p2"], ["p7", None]])
        batch.values.shape  # (2, 2, 304, 768), int8
    """

    def __init__(self, location: Location, cache_bytes: int = 0) -> None:
        check_integer("cache_bytes", cache_bytes, 0)
        self._location = location
        self._cache_bytes = cache_bytes
        self._snapshot = Snapshot(location, cache_bytes)

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        *,
        hidden_dim: int,
        passage_length: int,
        dtype: str = "int8",
        shard_size: int = 1024,
        fingerprint: Mapping[str, str] | None = None,
        quantizer: ProductQuantizer | None = None,
    ) -> StoreWriter:
        """Begin a store, or go on with an unfinished one of the same settings.

        Args:
            path: Local path or URL of a TensorStore key-value store.
            hidden_dim: Width of a token's representation.
            passage_length: Greatest number of tokens of a passage.
            dtype: `"int8"`, with a scale for each token, `"bfloat16"`, `"float32"`; or product
                quantisation, `"pq:16"` to a sixteenth of bfloat16, also 4, 8, 32 and 64.
            shard_size: Passages in a file, and the most that a killed writer loses.
            fingerprint: Checksums of what the memory depends on, by name; compared by `open`.
            quantizer: With product quantisation, its codebooks; `None` for those that the
                unfinished store has.

        Raises:
            FileExistsError: If there is a complete store.
            ValueError: If there is an unfinished store of other settings.
            OSError: If the path cannot be written.
        """
        settings = Settings(hidden_dim, passage_length, dtype, shard_size, dict(fingerprint or {}))
        location = Location(path)
        if location.read(MANIFEST)[1] != ABSENT:
            raise FileExistsError(
                f"`path` must hold no complete store. Received: path={location.path!r}"
            )
        return StoreWriter(location, settings, quantizer=quantizer)

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        fingerprint: Mapping[str, str] | None = None,
        cache_bytes: int = 0,
    ) -> MemoryStore:
        """Open a complete store, in a time that does not depend on its size.

        Args:
            path: Local path or URL of a TensorStore key-value store.
            fingerprint: Fingerprint that the memory must have; `None` for no comparison.
            cache_bytes: Bound of a cache of memory that was read; what was least recently used
                goes first.

        Raises:
            FileNotFoundError: If there is no complete store.
            CorruptStoreError: If a file that describes the store is damaged.
            ValueError: If the store is of a later version or made with something else; the
                message names the entries of the fingerprint that differ.
        """
        store = cls(Location(path), cache_bytes)
        if fingerprint is not None:
            check_fingerprint(fingerprint)
            store.check_made_with(fingerprint)
        return store

    def check_made_with(self, fingerprint: Mapping[str, str]) -> None:
        """Raise a `ValueError` that names the entries in which the store's own differs."""
        different = differences(fingerprint, self.fingerprint)
        if different:
            raise ValueError(f"{self.path}: the memory must be made with {different}")

    @property
    def _settings(self) -> Settings:
        return self._snapshot.manifest.settings

    @property
    def path(self) -> str:
        return self._location.path

    @property
    def fingerprint(self) -> dict[str, str]:
        """Checksums of what the memory was made with, by name."""
        return dict(self._settings.fingerprint)

    @property
    def revision(self) -> str:
        """Changes with the passages: SHA-256 of the manifest, in hexadecimal."""
        return sha256(self._snapshot.manifest.encode())

    @property
    def passage_length(self) -> int:
        return self._settings.passage_length

    @property
    def hidden_dim(self) -> int:
        return self._settings.hidden_dim

    @property
    def dtype(self) -> str:
        return self._settings.dtype

    @property
    def read_dtype(self) -> str:
        """Type of what `read` gives: `dtype`, but for product quantisation bfloat16."""
        return self._settings.read_dtype

    @property
    def quantizer(self) -> ProductQuantizer | None:
        """Codebooks of product quantisation."""
        return self._snapshot.quantizer

    def __len__(self) -> int:
        """Number of passages, deleted ones left out."""
        return self._snapshot.manifest.rows - self._snapshot.manifest.num_deleted

    def __repr__(self) -> str:
        shape = (len(self), self.passage_length, self.hidden_dim)
        return f"MemoryStore({self.path!r}, {self.dtype} of shape {shape})"

    def info(self) -> dict[str, Any]:
        """Tell sizes and settings as plain values.

        `bytes` and `bytes_per_token_and_dim`, the size of all files over real tokens times width,
        are `None` where the store is not on a local disk.
        """
        manifest, size = self._snapshot.manifest, self._location.num_bytes()
        tokens = sum(commit.tokens for commit in manifest.commits)
        return {
            "path": self.path,
            FORMAT: VERSION,
            "passages": len(self),
            "deleted": manifest.num_deleted,
            "tokens": tokens,
            "commits": [commit.rows for commit in manifest.commits],
            **self._settings.to_json(),
            "bytes": size,
            "bytes_per_token_and_dim": size and size / (tokens * self.hidden_dim),
        }

    def read(self, ids: Ids, length: int | Sequence[int] | None = None) -> MemoryBatch:
        """Read the memory of passages, all in parallel, into one array.

        Args:
            ids: Nested sequence of ids, of shape `(n,)`, `(batch, passages)` or any other. `None`
                or `""` stands for a missing passage: zeros, and length 0.
            length: Tokens of each passage in the result, by default `passage_length`; longer
                passages are cut, shorter ones padded. Of several lengths the least is taken
                that cuts none.

        Raises:
            ValueError: If an id is unknown.
            CorruptStoreError: If what is stored is damaged; the message names the passage.
        """
        length = self.passage_length if length is None else length
        lengths = [length] if isinstance(length, int) else list(length)
        if min(lengths, default=0) < 1:
            raise ValueError(f"`length` must be at least 1. Received: length={length}")
        return read_batch(self._snapshot, ids, lengths)

    def passages(self, ids: Sequence[str]) -> list[StoredPassage]:
        """Read passages by id.

        Args:
            ids: Strings, any number of them.

        Raises:
            ValueError: If an id is unknown.
            CorruptStoreError: If what is stored is damaged.
        """
        if isinstance(ids, str):
            raise TypeError("`ids` must be a sequence of strings. Received: one string")
        return self._snapshot.passages(self._snapshot.find_ids(list(ids))[0])

    def passages_at(self, places: Sequence[int] | np.ndarray) -> list[StoredPassage]:
        """Read passages by their places in the order of `iter_passages`.

        Args:
            places: Integers `(n,)` from 0 to `len(self) - 1`.

        Raises:
            ValueError: If there is no such place.
            CorruptStoreError: If what is stored is damaged.
        """
        wanted = np.asarray(places)
        if wanted.size and wanted.dtype.kind not in "iu":
            raise TypeError(f"`places` must be integers. Received: {wanted.dtype}")
        wanted = wanted.astype("int64")
        if wanted.size and not 0 <= wanted.min() <= wanted.max() < len(self):
            raise ValueError(
                f"`places` must be from 0 to {len(self) - 1}. "
                f"Received: {wanted.min()} to {wanted.max()}"
            )
        return self._snapshot.passages(self._snapshot.manifest.rows_at(wanted))

    def contains(self, ids: Sequence[str]) -> np.ndarray:
        """Tell which ids are those of passages, boolean `(n,)`."""
        if isinstance(ids, str):
            raise TypeError("`ids` must be a sequence of strings. Received: one string")
        return self._snapshot.find(hash_ids(ids))[0] >= 0

    def iter_passages(self) -> Iterator[StoredPassage]:
        """Yield all passages in the order in which they were written, deleted ones left out."""
        snapshot = self._snapshot
        for commit in snapshot.manifest.commits:
            for start in range(0, commit.rows, PASSAGES_AT_ONCE):
                stop = min(start + PASSAGES_AT_ONCE, commit.rows)
                rows = np.arange(commit.first_row + start, commit.first_row + stop)
                yield from snapshot.passages(rows[~snapshot.manifest.is_deleted(rows)])

    def appender(self, replace: bool = False) -> StoreWriter:
        """Make a writer of further shards, numbered from 0; open the store again to see them.

        With `replace` passages may have ids that are in the store, whose passages they take the
        place of when all are written. One process or several write at a time, and one calls
        `complete`. Until then, and for those who have the store open, it is as it was; what a
        killed one left is written over.

        Raises:
            OSError: If the path cannot be written.
        """
        return StoreWriter(self._location, self._settings, Snapshot(self._location), replace)

    def append(
        self,
        memory: np.ndarray | Sequence[np.ndarray],
        lengths: Sequence[int] | np.ndarray,
        passages: Sequence[HasText],
        replace: bool = False,
    ) -> None:
        """Add passages, all or none.

        Args:
            memory: Floats `(n, length, dim)`, or `n` arrays `(length, dim)` of different lengths.
            lengths: Integers `(n,)`, tokens of each passage.
            passages: `n` objects with `id`, `title` and `text`, their ids new to the store.
            replace: Whether ids may be in the store; their passages are replaced.

        Raises:
            ValueError: As `StoreWriter.write_shard`, or if an id is in the store already and may
                not be.
            FileExistsError: If another process writes it and goes on for ten seconds.
            OSError: As `StoreWriter.write_shard`.
        """
        size = self._settings.shard_size
        starts = range(0, max(1, len(memory)), size)
        with self._location.alone(SECONDS_WAITED):
            writer = self.appender(replace)
            for number, start in enumerate(starts):
                part = slice(start, start + size)
                writer.write_shard(number, memory[part], lengths[part], passages[part])
            writer.complete(len(starts))
        self._snapshot = Snapshot(self._location, self._cache_bytes)

    def delete(self, ids: Sequence[str]) -> None:
        """Make passages unknown, all or none; their memory stays on disk until `compact`.

        Raises:
            FileExistsError: If another process writes it and goes on for ten seconds.
            ValueError: If an id is unknown, or another writer changed the store meanwhile.
            OSError: If the path cannot be written.
        """
        if isinstance(ids, str):
            raise TypeError("`ids` must be a sequence of strings. Received: one string")
        with self._location.alone(SECONDS_WAITED):
            snapshot = Snapshot(self._location)
            manifest = snapshot.manifest.with_deleted(snapshot.find_ids(list(ids))[0])
            if not self._location.write(MANIFEST, manifest.encode(), snapshot.generation):
                raise ValueError(f"{self.path} was changed by another writer: delete again")
        self._snapshot = Snapshot(self._location, self._cache_bytes)

    def compact(self, progress: Callable[[int, int], None] | None = None) -> None:
        """Give the space of deleted and replaced passages back.

        The others are written anew, and then the old files are removed: who has the store open
        must open it again. Killed and called again it goes on where it was.

        Args:
            progress: Called with the passages written so far and their number.

        Raises:
            FileExistsError: If another process writes it.
            CorruptStoreError: If what is stored is damaged; the store is as it was.
            ValueError: If another writer changed the store meanwhile.
            OSError: If the path cannot be written; the store is as it was.
        """
        with self._location.alone():
            compact(Snapshot(self._location), progress)
        self._snapshot = Snapshot(self._location, self._cache_bytes)

    def convert(
        self,
        path: str | os.PathLike[str],
        dtype: str,
        shard_size: int | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> MemoryStore:
        """Write its passages to another store, in another type.

        Codebooks of product quantisation are learned from 65,536 tokens from all over the store.
        Killed and called again it goes on where it was.

        Args:
            path: Local path or URL of the new store.
            dtype: As `create` takes it.
            shard_size: Passages in a file; by default as here.
            progress: Called with the passages written so far and their number.

        Raises:
            FileExistsError: If there is a complete store, or another process writes it.
            ImportError: If FAISS, which learns codebooks, is not installed.
            CorruptStoreError: If what is stored is damaged.
            ValueError: If `dtype` does not fit, or there is an unfinished store of other settings.
            OSError: If the path cannot be written.
        """
        size = self._settings.shard_size if shard_size is None else shard_size
        convert(self, os.fspath(path), dtype, size, progress)
        return MemoryStore.open(path)

    def verify(self, progress: Callable[[int, int], None] | None = None) -> list[str]:
        """Read all of the store and compare it with its checksums.

        Args:
            progress: Called with the passages read so far and their number.

        Returns:
            A line on each thing that is damaged, naming passage or file; empty for a sound store.
        """
        return verify(self._snapshot, progress)
