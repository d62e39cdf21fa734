from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, NamedTuple, TypeVar

from glimmer_keras.data.provenance import Provenance

Kind = Literal["corpus", "task", "results"]
Read = TypeVar("Read", bound=Callable[..., Any])


class Format(NamedTuple):
    """A format of files.

    Args:
        name: Its name.
        read: What reads it, see `register`.
        fields: Those that tell a record of it from others.
    """

    name: str
    read: Callable[..., Any]
    fields: Sequence[str] = ()


_FORMATS: dict[Kind, dict[str, Format]] = {"corpus": {}, "task": {}, "results": {}}


class Source(NamedTuple):
    """Where a record of a task comes from.

    Args:
        task: Name of the task.
        where: Place in the file, for messages.
        number: Number of the record in the file, from 0.
    """

    task: str
    where: str
    number: int


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


def register(kind: Kind, name: str, *fields: str) -> Callable[[Read], Read]:
    """Register the decorated function as the reader of a format.

    Args:
        kind: What the function gives:
            `"corpus"`: `(record, where, max_words)` of a record -> `Iterator[Passage]`;
            `"task"`: `(record, source)` of a record and its `Source` -> `Iterator[Example]`;
            `"results"`: `(path)` -> `Iterator[Ranking]`.
        name: Name of the format.
        *fields: Those that every record of it has, and together no other's.
    """

    def add(read: Read) -> Read:
        _FORMATS[kind][name] = Format(name, read, fields)
        return read

    return add


def reader(kind: Kind, name: str) -> Callable[..., Any]:
    """Look up the reader of a format.

    Raises:
        ValueError: If there is no format of this name; the message lists those there are.
    """
    if name not in _FORMATS[kind]:
        raise ValueError(f"`format` must be one of {formats(kind)}. Received: format={name!r}")
    return _FORMATS[kind][name].read


def formats(kind: Kind) -> tuple[str, ...]:
    """List the names of the formats of a kind, sorted."""
    return tuple(sorted(_FORMATS[kind]))


def find_format(kind: Kind, record: dict[str, Any], where: str) -> Format:
    """Find the format of a record by its fields: of those that fit the one with the most.

    Raises:
        ValueError: If none fits; the message has the nearest one's fields that are missing.
    """
    known = [each for each in _FORMATS[kind].values() if each.fields]

    def missing(each: Format) -> list[str]:
        return [name for name in each.fields if name not in record]

    fitting = [each for each in known if not missing(each)]
    if fitting:
        return max(fitting, key=lambda each: len(each.fields))
    nearest = min(known, key=lambda each: (len(missing(each)), len(each.fields)))
    lacking = " and ".join(f"field `{name}`" for name in missing(nearest))
    raise ValueError(
        f"{where}: must be of a known format, {', '.join(formats(kind))}; for the nearest, "
        f"{nearest.name!r}, {lacking} is missing. Received: {sorted(map(str, record))}"
    )
