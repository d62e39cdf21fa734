from collections.abc import Sequence

import numpy as np

from glimmer_keras.pipelines.passage_source import Found
from glimmer_keras.pipelines.ranked_passage import RankedPassage


def rank_passages(
    found: Sequence[Found],
    relevance: np.ndarray | None,
    selected: np.ndarray | None,
    retrieval_scores: np.ndarray | None,
) -> tuple[RankedPassage, ...]:
    """The passages of one question as an `Answer` has them: those read, then by relevance.

    Args:
        found: The passages, in the order of the model's input.
        relevance: float32 `(k,)`, or `None` without a scorer.
        selected: int32 `(m,)`, places of those read, best first, or `None` without a scorer.
        retrieval_scores: `(k,)`, or `None` if ids were given.
    """
    order, read = list(range(len(found))), set(range(len(found)))
    if relevance is not None and selected is not None:
        best = [column for column in selected.tolist() if column < len(found)]
        rest = np.argsort(-relevance[: len(found)], kind="stable").tolist()
        order, read = list(dict.fromkeys(best + rest)), set(best)
    return tuple(
        RankedPassage(
            found[column].id,
            found[column].title,
            found[column].text,
            None if relevance is None else float(relevance[column]),
            column in read,
            column + 1,
            None if retrieval_scores is None else float(retrieval_scores[column]),
        )
        for column in order
    )
