from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal, NamedTuple, TypeVar

from glimmer_keras.data.provenance import Provenance

Kind = Literal["corpus", "task", "results"]
Read = TypeVar("Read", bound=Callable[..., Any])

_READERS: dict[Kind, dict[str, Callable[..., Any]]] = {"corpus": {}, "task": {}, "results": {}}


class Ranking(NamedTuple):
    """The results that a file has for one question.

    Args:
        key: The question's id, or the question.
        where: Place in the file, for messages.
        pieces: The results with their places in the file, the best first.
        by: Which of an example's fields `key` is.
    """

    key: str
    where: str
    pieces: Iterable[tuple[str, Provenance]]
    by: Literal["id", "question"] = "id"


def register(kind: Kind, name: str) -> Callable[[Read], Read]:
    """Register the decorated function as the reader of a format.

    Args:
        kind: What the function gives:
            `"corpus"`: `(record, where, max_words)` of a line of JSON -> `Iterator[Passage]`;
            `"task"`: `(path, name)` -> `Iterator[tuple[str, Example]]`, places and examples;
            `"results"`: `(path)` -> `Iterator[Ranking]`.
        name: Name of the format.
    """

    def add(read: Read) -> Read:
        _READERS[kind][name] = read
        return read

    return add


def reader(kind: Kind, name: str) -> Callable[..., Any]:
    """Look up the reader of a format.

    Raises:
        ValueError: If there is no format of this name; the message lists those there are.
    """
    if name not in _READERS[kind]:
        raise ValueError(f"`format` must be one of {formats(kind)}. Received: format={name!r}")
    return _READERS[kind][name]


def formats(kind: Kind) -> tuple[str, ...]:
    """List the names of the formats of a kind, sorted."""
    return tuple(sorted(_READERS[kind]))
