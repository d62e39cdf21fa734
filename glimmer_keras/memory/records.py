"""Passages of a shard as bytes, and a record of numbers on each: pure functions."""

import hashlib
import json
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from glimmer_keras.memory.stored_passage import StoredPassage

# The columns of a record, all uint64: the two halves of the id's hash, tokens of the passage,
# where its text begins in the shard and how many bytes it has, and a checksum of its memory.
HASH, LENGTH, START, SIZE, CHECKSUM = slice(0, 2), 2, 3, 4, 5
COLUMNS = 6


PAGE = ("page_id", "first_paragraph", "last_paragraph")
TYPES: dict[int, list[type]] = {
    3: [str] * 3,
    6: [str] * 4 + [int] * 2,
    7: [str] * 4 + [int] * 2 + [list],
}


class HasText(Protocol):
    """A passage with what is kept; its `PAGE` and `fields`, if it has those, are kept too."""

    @property
    def id(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def text(self) -> str: ...


def hash_ids(ids: Sequence[str]) -> np.ndarray:
    """Hash ids to uint64 `(ids, 2)`: BLAKE2b of 128 bits, which no two ids have in common."""
    if wrong := [i for i in ids if not isinstance(i, str)]:
        raise TypeError(f"`ids` must be strings. Received: {wrong[0]!r}")
    digests = [hashlib.blake2b(_encode(i), digest_size=16).digest() for i in ids]
    return np.frombuffer(b"".join(digests), "<u8").reshape(-1, 2)


def encode_passages(passages: Sequence[HasText]) -> tuple[bytes, np.ndarray]:
    """Encode the text of a shard, and its records `(passages, 6)` with lengths and checksums of 0.

    Raises:
        TypeError: If an id, title or text is no string.
        ValueError: If an id is empty, or two are the same.
    """
    ids: dict[str, int] = {}
    parts = []
    for number, passage in enumerate(passages):
        fields = [passage.id, passage.title, passage.text]
        if not all(isinstance(part, str) for part in fields):
            raise TypeError(
                "`passages` must have strings as id, title and text. "
                f"Received: {fields!r} at {number}"
            )
        if not passage.id:
            raise ValueError(f"`passages` must have ids. Received: id='' at {number}")
        other = ids.setdefault(passage.id, number)
        if other != number:
            raise ValueError(
                "`passages` must have distinct ids. "
                f"Received: id={passage.id!r} at {other} and {number}"
            )
        page = [getattr(passage, name, none) for name, none in zip(PAGE, ("", -1, -1), strict=True)]
        more = [getattr(passage, "fields", ())]
        kept = [*fields, *page, *more] if more[0] else [*fields, *page] if page[0] else fields
        parts.append(_encode(json.dumps(kept, ensure_ascii=False)) + b"\n")
    records = np.zeros((len(parts), COLUMNS), "uint64")
    records[:, HASH] = hash_ids(list(ids))
    records[:, SIZE] = sizes = [len(part) for part in parts]
    records[:, START] = np.cumsum([0, *sizes])[:-1]
    return b"".join(parts), records


def decode_passage(encoded: bytes) -> StoredPassage:
    """Decode a passage.

    Raises:
        ValueError: If it is not what `encode_passages` made.
    """
    fields = json.loads(encoded)
    if not isinstance(fields, list) or [type(part) for part in fields] != TYPES.get(len(fields)):
        raise ValueError("not a passage")
    if len(fields) == 7:
        fields[6] = tuple(map(tuple, fields[6]))
    return StoredPassage(*fields)


def memory_checksum(values: np.ndarray, scales: np.ndarray | None) -> int:
    """Sum up the memory of one passage in 64 bits.

    Args:
        values: Stored dtype `(tokens, dim)`, without padding.
        scales: float32 `(tokens,)`, `None` where the dtype is not int8.
    """
    digest = hashlib.blake2b(np.ascontiguousarray(values).view("uint8").data, digest_size=8)
    if scales is not None:
        digest.update(np.ascontiguousarray(scales).view("uint8").data)
    return int.from_bytes(digest.digest(), "little")


def _encode(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"ids and passages must be valid Unicode ({error})") from error
