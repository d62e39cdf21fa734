from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import IO, TypeVar

import numpy as np

from glimmer_keras.data import Corpus, Passage
from glimmer_keras.memory.records import hash_ids

T = TypeVar("T")

# Bounds the memory that looking for duplicates takes: hashes compared, and kept off the disk.
HASHES_AT_ONCE = 2**21
HASH_BYTES = 16
CHUNK = 1024


def in_chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of `size` items; the last may be shorter."""
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk


def check_repeatable(corpus: Iterable[Passage]) -> None:
    """Raise a `TypeError` for what cannot be iterated twice."""
    if not isinstance(corpus, Iterable) or isinstance(corpus, str) or iter(corpus) is corpus:
        raise TypeError(
            "`corpus` must give its passages anew each time it is iterated, as a `Corpus`, a list "
            f"or a `PassageFile` does. Received: {type(corpus).__name__}"
        )


def check_passages(corpus: Iterable[Passage]) -> int:
    """Read a corpus once before the long work begins, in memory that does not grow with it.

    Returns:
        How many passages it has.

    Raises:
        TypeError: If it can be read only once, or holds something else than passages.
        ValueError: If it has no passage, or two with one id.
    """
    check_repeatable(corpus)
    if isinstance(corpus, Corpus):
        return len(corpus)
    count = 0
    with tempfile.SpooledTemporaryFile(max_size=HASHES_AT_ONCE * HASH_BYTES) as hashes:
        for chunk in in_chunks(corpus, CHUNK):
            for passage in chunk:
                if not isinstance(passage, Passage):
                    raise TypeError(
                        f"`corpus` must hold `Passage`s. Received: {type(passage).__name__}"
                    )
            hashes.write(hash_ids([passage.id for passage in chunk]).tobytes())
            count += len(chunk)
        if not count:
            raise ValueError("`corpus` must hold at least one passage. Received: 0 passages")
        repeated = _repeated(hashes, count)
    if repeated is not None:
        first, second = repeated
        repeated_id = next(islice(corpus, second, None)).id
        raise ValueError(
            "`corpus` must have distinct ids. "
            f"Received: id={repeated_id!r} in passages {first + 1} and {second + 1}"
        )
    return count


def _repeated(file: IO[bytes], count: int) -> tuple[int, int] | None:
    """Places of two equal hashes of a file, `None` if there are none.

    Each pass over the file compares those that fall into one part of the range of hashes.
    """
    parts = -(-count // HASHES_AT_ONCE)
    for part in range(parts):
        file.seek(0)
        found, places = [], []
        for start in range(0, count, HASHES_AT_ONCE):
            block = np.frombuffer(file.read(HASHES_AT_ONCE * HASH_BYTES), "<u8").reshape(-1, 2)
            kept = np.flatnonzero(block[:, 0] % np.uint64(parts) == part)
            found.append(block[kept])
            places.append(kept + start)
        hashes, numbers = np.concatenate(found), np.concatenate(places)
        order = np.lexsort((numbers, hashes[:, 1], hashes[:, 0]))
        same = np.flatnonzero((hashes[order[1:]] == hashes[order[:-1]]).all(-1))
        if len(same):
            return int(numbers[order[same[0]]]), int(numbers[order[same[0] + 1]])
    return None
