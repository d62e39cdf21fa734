import math
from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

import numpy as np

from glimmer_keras.data.corpus import Corpus
from glimmer_keras.data.jsonl import UNREADABLE, open_file
from glimmer_keras.data.provenance import Provenance
from glimmer_keras.data.ranking import Ranking, Unknown, numbers_by, ranked_rows
from glimmer_keras.data.task import Task


class Result(NamedTuple):
    question_id: str
    passage_id: str
    order: tuple[float, int]  # the best has the least
    where: str


def read_trec_run(
    path: str | Path,
    task: Task,
    corpus: Corpus,
    num_passages: int,
    *,
    unknown: Unknown = "error",
) -> np.ndarray:
    """Read a TREC run: lines of `question-id Q0 passage-id rank score tag`.

    The passages of a question are ordered by score, the greatest first, as trec_eval does, and
    those of equal score by rank; their lines stand together. A passage named again counts where
    it was first, questions that the task lacks are passed over, and those of the task that the run
    lacks are told in the log.

    Args:
        path: A text file, or a `.gz`.
        task: Whose `Example.id` are the question ids.
        corpus: Whose `Passage.id` are the passage ids.
        num_passages: Passages of each example; what is further down is left out.
        unknown: What to do with a passage that the corpus lacks: `"error"`, or `"skip"`.

    Returns:
        int32 `(examples, num_passages)` for `Task.with_retrieved`, -1 where a passage is missing.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: Naming file and line, if a line is broken, a passage is unknown, or the lines
            of a question do not stand together; or if no question has a result.
    """
    rankings = (
        Ranking(question_id, results[0].where, [(r.where, _passage(r)) for r in results])
        for question_id, results in _questions(path)
    )
    numbers = numbers_by(example.id for example in task)
    return ranked_rows(str(path), rankings, numbers, corpus, num_passages, unknown)


def _passage(result: Result) -> Provenance:
    return Provenance(passage_id=result.passage_id)


def _questions(path: str | Path) -> Iterator[tuple[str, list[Result]]]:
    for question_id, results in groupby(_results(path), itemgetter(0)):
        yield question_id, sorted(results, key=lambda result: result.order)


def _results(path: str | Path) -> Iterator[Result]:
    with open_file(path) as file:
        number = 0
        while True:
            number += 1
            where = f"{path}:{number}"
            try:
                line = file.readline()
                fields = line.decode().split()
            except UNREADABLE as error:
                raise ValueError(f"{where}: cannot be read: {error}") from error
            if not line:
                return
            if fields:
                yield _parse(fields, where)


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
