from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from glimmer_keras.utils.manifest import decode_manifest, encode_manifest

VERSION = 1
DTYPES = ("int8", "bfloat16", "float32")
PRODUCT = "pq:"
# How many times less than bfloat16 takes: a byte tells half as many numbers.
RATIOS = (4, 8, 16, 32, 64)


@dataclass(frozen=True)
class Settings:
    """Settings that a store is made with, and keeps.

    Args:
        hidden_dim: Width of a token's representation.
        passage_length: Greatest number of tokens of a passage.
        dtype: `"int8"`, `"bfloat16"`, `"float32"`, or of product quantisation `"pq:16"`: a
            sixteenth of bfloat16's bytes, which is one for each 8 numbers; also 4, 8, 32, 64.
        shard_size: Passages in a file.
        fingerprint: Checksums of what the memory depends on, by name: weights, tokenizer, lengths.
    """

    hidden_dim: int
    passage_length: int
    dtype: str = "int8"
    shard_size: int = 1024
    fingerprint: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("hidden_dim", "passage_length", "shard_size"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value < 2**31:
                raise ValueError(
                    f"`{name}` must be an integer of at least 1. Received: {name}={value!r}"
                )
        products = {f"{PRODUCT}{ratio}": ratio // 2 for ratio in RATIOS}
        if self.dtype not in (*DTYPES, *products):
            raise ValueError(
                f"`dtype` must be one of {(*DTYPES, *products)}. Received: dtype={self.dtype!r}"
            )
        if self.hidden_dim % products.get(self.dtype, 1):
            raise ValueError(
                f"`dtype` must divide the memory's width in parts of {products[self.dtype]}. "
                f"Received: dtype={self.dtype!r}, hidden_dim={self.hidden_dim}"
            )
        check_fingerprint(self.fingerprint)

    @property
    def is_product(self) -> bool:
        """Whether memory is codes of product quantisation."""
        return self.dtype.startswith(PRODUCT)

    @property
    def stored(self) -> tuple[str, int]:
        """Type and number of what is stored of a token."""
        if not self.is_product:
            return self.dtype, self.hidden_dim
        return "uint8", 2 * self.hidden_dim // int(self.dtype.removeprefix(PRODUCT))

    @property
    def read_dtype(self) -> str:
        """Type of memory that was read."""
        return "bfloat16" if self.is_product else self.dtype

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "fingerprint": dict(self.fingerprint)}


@dataclass(frozen=True)
class Commit:
    """Passages that became part of the store together.

    Args:
        first_row: Row of the first, at the beginning of a shard.
        rows: Number of passages, in consecutive rows.
        tokens: Number of their tokens.
        first_bucket: First bucket of their index of ids.
        buckets: Number of buckets.
        checksum: SHA-256 of its records, which hold checksums of ids and memory.
    """

    first_row: int
    rows: int
    tokens: int
    first_bucket: int
    buckets: int
    checksum: str = ""


@dataclass(frozen=True)
class Manifest:
    """A store without its arrays.

    Args:
        settings: Settings that the store was made with.
        commits: The first build and what was appended, in their order.
        deleted: `(first row, number)` of deleted passages, ascending, apart from each other.
        files: SHA-256 of the files that hold no data, by name.
    """

    settings: Settings
    commits: tuple[Commit, ...]
    deleted: tuple[tuple[int, int], ...]
    files: Mapping[str, str]

    @property
    def rows(self) -> int:
        """Passages that are stored, deleted ones among them."""
        return sum(commit.rows for commit in self.commits)

    @property
    def num_deleted(self) -> int:
        return sum(number for _, number in self.deleted)

    def shards(self, commit: Commit) -> range:
        """Numbers of the shards of a commit."""
        size = self.settings.shard_size
        first = commit.first_row // size
        return range(first, first - (-commit.rows // size))

    def is_deleted(self, rows: np.ndarray) -> np.ndarray:
        """Tell which of the rows `(n,)` are deleted, boolean `(n,)`."""
        ranges = np.array(self.deleted, "int64").reshape(-1, 2)
        before = np.searchsorted(ranges[:, 0], rows, side="right") - 1
        if not len(ranges):
            return np.zeros(np.shape(rows), bool)
        ends = ranges[:, 0] + ranges[:, 1]
        return (before >= 0) & (rows < ends[before])

    def rows_at(self, places: np.ndarray) -> np.ndarray:
        """Give int64 rows of the passages at places `(n,)`, deleted ones not being counted."""
        first, before = self._runs
        run = np.searchsorted(before, places, side="right") - 1
        return first[run] + (places - before[run])

    @cached_property
    def _runs(self) -> tuple[np.ndarray, np.ndarray]:
        """First row of each run of passages that are not deleted, and how many come before it."""
        starts = [(c.first_row, 1) for c in self.commits]
        starts += [(c.first_row + c.rows, -1) for c in self.commits]
        deleted = [(row, -1) for row, _ in self.deleted] + [(sum(d), 1) for d in self.deleted]
        events = np.array(starts + deleted, "int64").reshape(-1, 2)
        rows, where = np.unique(events[:, 0], return_inverse=True)
        alive = np.cumsum(np.bincount(where, events[:, 1], len(rows))) > 0
        lengths = np.diff(rows, append=rows[-1:])[alive]
        return rows[alive], np.cumsum(lengths) - lengths

    def with_deleted(self, rows: np.ndarray) -> Manifest:
        """Make the manifest with further rows `(n,)` deleted."""
        old = [np.arange(first, first + number) for first, number in self.deleted]
        every = np.unique(np.concatenate([*old, rows.astype("int64")]))
        parts = np.split(every, np.flatnonzero(np.diff(every) > 1) + 1)
        deleted = tuple((int(part[0]), len(part)) for part in parts if len(part))
        return Manifest(self.settings, self.commits, deleted, self.files)

    def encode(self) -> bytes:
        """Write it as JSON with its own checksum, the same bytes for the same content."""
        content = {
            **self.settings.to_json(),
            "passages": self.rows - self.num_deleted,
            "commits": [asdict(commit) for commit in self.commits],
            "deleted": [list(part) for part in self.deleted],
            "files": dict(self.files),
        }
        return encode_manifest(content, VERSION)

    @classmethod
    def decode(cls, encoded: bytes, name: str) -> Manifest:
        """Read what `encode` gave.

        Args:
            encoded: The bytes.
            name: Name of the file, for messages.

        Raises:
            CorruptFileError: If it is not as it was written.
            ValueError: If it is of a later version; all versions keep the checksum.
        """
        names = (*Settings.__dataclass_fields__, "commits", "deleted", "files")
        content = decode_manifest(encoded, name, VERSION, names)
        settings = Settings(**{field: content[field] for field in Settings.__dataclass_fields__})
        commits = tuple(Commit(**commit) for commit in content["commits"])
        deleted = tuple((first, number) for first, number in content["deleted"])
        return cls(settings, commits, deleted, content["files"])


def check_fingerprint(fingerprint: Mapping[str, str]) -> None:
    """Raise a `ValueError` for what does not map strings to strings."""
    if not isinstance(fingerprint, Mapping) or not all(
        isinstance(part, str) for entry in fingerprint.items() for part in entry
    ):
        raise ValueError(
            f"`fingerprint` must map strings to strings. Received: fingerprint={fingerprint!r}"
        )
