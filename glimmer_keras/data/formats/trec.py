import math
from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

from glimmer_keras.data.formats.registry import Ranking, register
from glimmer_keras.data.provenance import Provenance
from glimmer_keras.data.text_lines import text_lines


class Result(NamedTuple):
    """A line of a run.

    Args:
        question_id: First field.
        passage_id: Third field.
        order: `(-score, rank)`: the best result has the least.
        where: Place in the file, for messages.
    """

    question_id: str
    passage_id: str
    order: tuple[float, int]
    where: str


@register("results", "trec")
def rankings(path: str | Path) -> Iterator[Ranking]:
    """Read a TREC run: lines of `question-id Q0 passage-id rank score tag`.

    The passages of a question are ordered by score, the greatest first, as trec_eval does, and
    those of equal score by rank; their lines stand together.

    Args:
        path: A text file, or a `.gz`.
    """
    for question_id, group in groupby(_results(path), itemgetter(0)):
        results = sorted(group, key=lambda result: result.order)
        pieces = [(r.where, Provenance(passage_id=r.passage_id)) for r in results]
        yield Ranking(question_id, results[0].where, pieces)


def _results(path: str | Path) -> Iterator[Result]:
    """Read the lines that are not blank."""
    for line in text_lines(path):
        if fields := line.text.split():
            yield _parse(fields, line.where)


def _parse(fields: list[str], where: str) -> Result:
    if len(fields) != 6:
        raise ValueError(
            f"{where}: must be `question-id Q0 passage-id rank score tag`. "
            f"Received: {len(fields)} fields"
        )
    question_id, _, passage_id, rank, score, _ = fields
    try:
        order = -float(score), int(rank)
    except ValueError as error:
        raise ValueError(
            f"{where}: rank must be a whole number, and score a number. "
            f"Received: rank={rank}, score={score}"
        ) from error
    if math.isnan(order[0]):
        raise ValueError(f"{where}: score must be a number. Received: score={score}")
    return Result(question_id, passage_id, order, where)
