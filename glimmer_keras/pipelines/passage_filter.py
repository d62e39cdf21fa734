"""Which passages a question may be answered from."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

import numpy as np

from glimmer_keras.data import Passage
from glimmer_keras.memory import StoredPassage

Where = Mapping[str, str | Collection[str]] | Callable[[Passage | StoredPassage], bool]


def check_where(where: Where) -> Where:
    """Raise a `TypeError` for what is no filter.

    Args:
        where: For each field of `Passage.fields` the value that a passage must have, or several,
            one of which it must have; a passage without the field does not pass. Or a function that
            tells whether a passage passes.
    """
    if callable(where):
        return where
    if not isinstance(where, Mapping) or not all(
        isinstance(name, str)
        and isinstance(wanted, str | list | tuple | set | frozenset)
        and all(isinstance(value, str) for value in wanted)
        for name, wanted in where.items()
    ):
        raise TypeError(
            "`where` must map names of fields to strings, or collections of them, or be a "
            f"function. Received: {where!r}"
        )
    return where


def plain(where: Mapping[str, str | Collection[str]]) -> dict[str, list[str]]:
    """The same filter as one of the same meaning is: values as sorted lists, for comparison."""
    return {n: sorted({v} if isinstance(v, str) else set(v)) for n, v in where.items()}


def passes(passage: Passage | StoredPassage, where: Where) -> bool:
    """Tell whether a filter lets a passage be read."""
    if callable(where):
        return bool(where(passage))
    fields = dict(passage.fields)
    return all(
        name in fields
        and (fields[name] == wanted if isinstance(wanted, str) else fields[name] in wanted)
        for name, wanted in where.items()
    )


def allowed_rows(
    passages: Iterable[Passage | StoredPassage], where: Where | None
) -> np.ndarray | None:
    """Tell which passages of a corpus or a store pass: bool `(passages,)`; `None` for all."""
    if where is None:
        return None
    check_where(where)
    return np.array([passes(passage, where) for passage in passages], bool)
