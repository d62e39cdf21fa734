from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

import numpy as np

from glimmer_keras.pipelines.passage_source import Found, PassageSource
from glimmer_keras.retrieval import Retriever

Ids = Sequence[str]


def find_passages(
    passages: PassageSource,
    retriever: Retriever | None,
    questions: Sequence[str],
    passage_ids: Sequence[Ids] | None,
    num_passages: int,
) -> tuple[list[list[Found]], np.ndarray | None]:
    """Passages of each question, those of the given ids or else the retriever's.

    Returns:
        At most `num_passages` passages for each question, and the retriever's scores `(questions,
        num_passages)`, or `None` for given ids.

    Raises:
        ValueError: If a question is blank, an id is unknown, there are too many, or there are
            neither ids nor a retriever.
    """
    if blank := [question for question in questions if not question.strip()]:
        raise ValueError(f"`question` must not be blank. Received: question={blank[0]!r}")
    if passage_ids is not None:
        return _given(passages, questions, passage_ids, num_passages), None
    if retriever is None:
        raise ValueError("`passage_ids` must be given where there is no retriever. Received: None")
    rows, scores = retriever.search(questions, num_passages)
    found = iter(passages.at(rows[rows >= 0].astype("int64")))
    return [list(islice(found, count)) for count in (rows >= 0).sum(axis=1)], scores


def _given(
    passages: PassageSource,
    questions: Sequence[str],
    passage_ids: Sequence[Ids],
    num_passages: int,
) -> list[list[Found]]:
    if len(passage_ids) != len(questions) or any(isinstance(ids, str) for ids in passage_ids):
        raise ValueError(
            "`passage_ids` must be a sequence of ids for each question. "
            f"Received: {passage_ids!r} for {len(questions)} questions"
        )
    for ids in passage_ids:
        if not 1 <= len(ids) <= num_passages:
            raise ValueError(
                f"`passage_ids` must be from 1 to num_passages={num_passages} ids. "
                f"Received: {len(ids)} ids"
            )
    found = iter(passages.find([i for ids in passage_ids for i in ids]))
    return [list(islice(found, len(ids))) for ids in passage_ids]
