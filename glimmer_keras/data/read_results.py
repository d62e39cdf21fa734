import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from glimmer_keras.data.corpus import Corpus
from glimmer_keras.data.formats import Ranking, reader
from glimmer_keras.data.records import read_any, shape_of
from glimmer_keras.data.task import Task
from glimmer_keras.utils.checks import check_integer

logger = logging.getLogger("glimmer_keras")

Unknown = Literal["error", "skip"]
UNKNOWN = ("error", "skip")


def read_results(
    path: str | Path,
    format: str | None,
    task: Task,
    corpus: Corpus,
    num_passages: int,
    *,
    unknown: Unknown = "error",
) -> np.ndarray:
    """Read what another retriever found for a task, as rows of the corpus.

    A piece of a page stands for all passages that overlap it, a whole page for all of its
    passages, in their order. A passage that comes again counts where it was first, questions that
    the task lacks are passed over, and the log tells how many of those of the task the file lacks.

    Args:
        path: The file, gzipped if its name ends in `.gz`.
        format: `"trec"`, a run; `"kilt"`, the provenance of KILT predictions; `"dpr"` or
            `"pyserini"`, their results in JSON; `None` for what the file begins with. See
            `data.formats`.
        task: The questions, whose `Example.id` (or `question`, for DPR) the file names.
        corpus: The corpus in which the results are looked up.
        num_passages: Passages of each example; what is further down is left out.
        unknown: What to do with a result that the corpus lacks: `"error"`, or `"skip"`.

    Returns:
        int32 `(examples, num_passages)` for `Task.with_retrieved`, -1 where a passage is missing.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If an argument does not fit; naming file and place, if a record is broken, a
            result is unknown, or a question comes twice; or if no question has a result.
    """
    rankings = reader("results", format or _found_format(path))(path)
    check_integer("num_passages", num_passages)
    if unknown not in UNKNOWN:
        raise ValueError(f"`unknown` must be one of {UNKNOWN}. Received: unknown={unknown!r}")
    numbers = {
        "id": _numbers_by_key([example.id for example in task]),
        "question": _numbers_by_key([example.question.strip() for example in task]),
    }
    rows = np.full((len(task), num_passages), -1, dtype="int32")
    seen: set[str] = set()
    skipped = 0
    for ranking in rankings:
        if ranking.key in seen:
            raise ValueError(
                f"{ranking.where}: the results of a question must stand together, and come once. "
                f"Received: {ranking.key!r} again"
            )
        seen.add(ranking.key)
        examples = numbers[ranking.by].get(ranking.key)
        if examples:
            best, unknown_pieces = _best_rows(ranking, corpus, num_passages, unknown)
            rows[examples, : len(best)] = best
            skipped += unknown_pieces
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


def _found_format(path: str | Path) -> str:
    """Tell which format results are in."""
    shape = shape_of(path)
    if shape == "object":
        return "pyserini"
    if shape not in ("lines", "list"):
        return "trec"
    first = next(read_any(path, shape=shape), None)
    if first is not None and "ctxs" in first.record:
        return "dpr"
    contexts = first is not None and any(
        isinstance(value, dict) and "contexts" in value for value in first.record.values()
    )
    return "pyserini" if contexts else "kilt"


def read_trec_run(
    path: str | Path, task: Task, corpus: Corpus, num_passages: int, *, unknown: Unknown = "error"
) -> np.ndarray:
    """Read a TREC run, ordered by score and then by rank; see `read_results`."""
    return read_results(path, "trec", task, corpus, num_passages, unknown=unknown)


def read_kilt_results(
    path: str | Path, task: Task, corpus: Corpus, num_passages: int, *, unknown: Unknown = "error"
) -> np.ndarray:
    """Read the provenance of KILT predictions as retrieval results; see `read_results`."""
    return read_results(path, "kilt", task, corpus, num_passages, unknown=unknown)


def read_dpr_results(
    path: str | Path, task: Task, corpus: Corpus, num_passages: int, *, unknown: Unknown = "error"
) -> np.ndarray:
    """Read DPR's retrieval results, found by their questions; see `read_results`."""
    return read_results(path, "dpr", task, corpus, num_passages, unknown=unknown)


def _numbers_by_key(keys: Sequence[str]) -> Mapping[str, list[int]]:
    """Look up the numbers of the examples by key."""
    numbers: dict[str, list[int]] = {}
    for number, key in enumerate(keys):
        numbers.setdefault(key, []).append(number)
    return numbers


def _best_rows(
    ranking: Ranking, corpus: Corpus, num_passages: int, unknown: Unknown
) -> tuple[list[int], int]:
    """Look up the distinct rows of a ranking's best passages, and count unknown results."""
    rows: dict[int, None] = {}
    skipped = 0
    for where, piece in ranking.pieces:
        if len(rows) >= num_passages:
            break
        rows_of_piece = corpus.rows_of(piece)
        if not rows_of_piece and unknown == "error":
            raise ValueError(
                f"{where}: must name a passage of the corpus, or `unknown` be 'skip'. "
                f"Received: {piece.passage_id or piece.page_id!r}"
            )
        skipped += not rows_of_piece
        rows |= dict.fromkeys(rows_of_piece)
    return list(rows)[:num_passages], skipped
