from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from numbers import Real
from typing import Any

import numpy as np

from glimmer_keras.data import Passage
from glimmer_keras.memory import StoredPassage
from glimmer_keras.pipelines.passage_sources import PassageSource, TextInputs


@dataclass(frozen=True, slots=True)
class Asked:
    """Questions with the passages to read for them.

    Args:
        questions: As they were asked.
        passages: At most `num_passages` for each question.
        retrieval_scores: `(questions, num_passages)`, `None` if the passages were given.
        source: Turns the passages into model inputs.
        priors: For each question a number for each passage, if they were given.
    """

    questions: Sequence[str]
    passages: Sequence[Sequence[StoredPassage | Passage]]
    retrieval_scores: np.ndarray | None
    source: PassageSource | TextInputs
    priors: Sequence[Sequence[float]] | None = None


def check_unicode(name: str, text: str) -> None:
    """Raise a `ValueError` for a text with half of a character."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"`{name}` must be valid Unicode. Received: {text!r}") from error


def check_chosen(name: str, chosen: Sequence[Sequence[Any]], questions: int, most: int) -> None:
    """Raise a `ValueError` unless there are at most `most` ids or passages for each question."""
    what = name.removeprefix("passage_")
    strings = [row for row in chosen if isinstance(row, str)]
    if strings or len(chosen) != questions:
        received = repr(strings[0]) if strings else f"{len(chosen)} for {questions} questions"
        raise ValueError(
            f"`{name}` must be a sequence of {what} for each question. Received: {received}"
        )
    for row in chosen:
        if what == "ids" and (wrong := [i for i in row if not isinstance(i, str)]):
            raise TypeError(f"`{name}` must be strings. Received: {wrong[0]!r}")
        if len(row) > most:
            raise ValueError(
                f"`{name}` must be at most num_passages={most} {what}. Received: {len(row)} {what}"
            )


def check_priors(
    priors: Sequence[Sequence[float]], chosen: Sequence[Sequence[Any]] | None, taken: bool
) -> None:
    """Raise a `ValueError` unless a model that takes them has one for each passage chosen."""
    if not taken:
        raise ValueError(
            "`priors` must be left out: the model has no `passage_prior`. Received: some"
        )
    lengths = None if chosen is None else [len(row) for row in chosen]
    if (received := [len(row) for row in priors]) != lengths:
        raise ValueError(
            "`priors` must have a number for each passage that is given for a question, "
            f"{lengths or 'none'}. Received: {received}"
        )
    for prior in (prior for row in priors for prior in row):
        if not isinstance(prior, Real) or not isfinite(prior):
            raise ValueError(f"`priors` must be finite numbers. Received: {prior!r}")
