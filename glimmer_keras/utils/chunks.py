from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def in_chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield lists of `size` items, one at a time; the last list may be shorter.

    Args:
        items: Read once, as far as the lists are asked for.
        size: Items of a list, at least 1.
    """
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk
