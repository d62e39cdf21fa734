"""Results of other retrievers as rows of a corpus. Shared by the readers of their files."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np

from glimmer_keras.data.corpus import Corpus
from glimmer_keras.data.provenance import Provenance

logger = logging.getLogger("glimmer_keras")

Unknown = Literal["error", "skip"]
UNKNOWN = ("error", "skip")


class Ranking(NamedTuple):
    """What a file has for one question, the best first, each piece with where it stands."""

    key: str
    where: str
    pieces: Iterable[tuple[str, Provenance]]


def numbers_by(keys: Iterable[str]) -> dict[str, list[int]]:
    """The numbers of the examples that have each key."""
    numbers: dict[str, list[int]] = {}
    for number, key in enumerate(keys):
        numbers.setdefault(key, []).append(number)
    return numbers


def ranked_rows(
    path: str,
    rankings: Iterable[Ranking],
    numbers: Mapping[str, Sequence[int]],
    corpus: Corpus,
    num_passages: int,
    unknown: Unknown,
) -> np.ndarray:
    """int32 `(examples, num_passages)` rows of the corpus, -1 where a passage is missing.

    A passage that comes again counts where it was first. Questions that are not asked for are
    passed over; those without results have -1 only, and the log tells how many there are.

    Raises:
        ValueError: If an argument does not fit, a question comes twice, a passage is not in the
            corpus and `unknown` is `"error"`, or no question has a result.
    """
    if num_passages < 1:
        raise ValueError(
            f"`num_passages` must be at least 1. Received: num_passages={num_passages}"
        )
    if unknown not in UNKNOWN:
        raise ValueError(f"`unknown` must be one of {UNKNOWN}. Received: unknown={unknown!r}")
    rows = np.full((sum(map(len, numbers.values())), num_passages), -1, dtype="int32")
    seen: set[str] = set()
    skipped = 0
    for ranking in rankings:
        if ranking.key in seen:
            raise ValueError(
                f"{ranking.where}: the results of a question must stand together, and come once. "
                f"Received: {ranking.key!r} again"
            )
        seen.add(ranking.key)
        if ranking.key not in numbers:
            continue
        found: dict[int, None] = {}
        for where, piece in ranking.pieces:
            if len(found) >= num_passages:
                break
            these = corpus.rows_of(piece)
            if not these and unknown == "error":
                raise ValueError(
                    f"{where}: must name a passage of the corpus, or `unknown` be 'skip'. "
                    f"Received: {piece.passage_id or piece.page_id!r}"
                )
            skipped += not these
            found |= dict.fromkeys(these)
        best = list(found)[:num_passages]
        rows[numbers[ranking.key], : len(best)] = best
    without = int((rows[:, 0] < 0).sum())
    if without == len(rows):
        raise ValueError(
            f"{path}: must have results for the questions of the task. Received: none for any of "
            f"the {len(rows)}, among {len(seen)} others"
        )
    if skipped:
        logger.warning("%s: %d results are not in the corpus", path, skipped)
    if without:
        logger.warning("%s: %d of %d questions have no results", path, without, len(rows))
    return rows
