from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from glimmer_keras.data import Corpus, Example, Passage, Task
from glimmer_keras.metrics import normalize_answer
from glimmer_keras.utils.checks import check_integer
from glimmer_keras.utils.progress import track

logger = logging.getLogger("glimmer_keras")

REASONS = ("gold", "overlap", "answer", "dropped")
GOLD, OVERLAP, ANSWER, DROPPED = range(4)
# Answers that stand in any text, or in none for another reason than being right, normalised.
TELL_NOTHING = {"yes", "no", "true", "false", "supports", "refutes", "not enough info"}
NGRAM = 3
PASSAGES_KEPT = 2**13  # normalised texts, so as not to make them anew for the next question


def relevance_filter(
    task: Task,
    corpus: Corpus,
    num_passages: int | None = None,
    min_overlap: float = 0.5,
    min_answer_length: int = 3,
    progress: bool = True,
) -> tuple[Task, dict[str, int]]:
    """Choose the examples that can be learned from what was retrieved for them, for training only.

    After the relevance sampling of Hofstaetter et al. (2022, arXiv:2207.03030), whose threshold is
    on the confidence that a question's gold passage is relevant. Here an example is kept if one of
    its first `num_passages` retrieved passages, the reasons tried in this order,

    - `gold`: is a passage that its provenance points at, by id, page or paragraphs; that one of
      the pieces of one evidence set is there is enough;
    - `overlap`: is of the same page as such a gold passage (the same title where no page is known)
      and shares at least `min_overlap` of its word trigrams with it, of the one that has fewer;
    - `answer`: has one of the gold answers in title or text, as whole words, both normalised as
      KILT normalises answers. An answer under `min_answer_length` characters, and yes, no, true,
      false, SUPPORTS, REFUTES and NOT ENOUGH INFO, is no reason.

    Args:
        task: The examples with their retrieved rows set.
        corpus: The corpus that the rows count in.
        num_passages: How many of the passages to look at; `None` for all that were retrieved.
        min_overlap: Over 0 and up to 1; 1 asks that the shorter passage stands in the other.
        min_answer_length: Characters of a normalised answer, at least 1.
        progress: Whether to show a progress bar in a terminal.

    Returns:
        The task of the examples that are kept, in their order and with all of their retrieved
        rows; and how many were kept by `"gold"`, `"overlap"`, `"answer"`, and how many were
        `"dropped"`, together all examples.

    Raises:
        ValueError: If an argument does not fit, or no example is left.
    """
    rows = _check(task, num_passages, min_overlap, min_answer_length)
    gold = [_gold_rows(corpus, example) for example in task]
    reasons = np.where(_hits(rows, gold, len(corpus)), GOLD, DROPPED)
    text_of = lru_cache(PASSAGES_KEPT)(lambda row: _Text(corpus[row]))
    others = np.flatnonzero(reasons == DROPPED).tolist()
    for number in track(others, f"Filtering {task.name}", "examples", show=progress):
        texts = [text_of(row) for row in rows[number].tolist() if row >= 0]
        if any(_overlap(text_of, row, texts) >= min_overlap for row in gold[number]):
            reasons[number] = OVERLAP
        elif _holds_answer(texts, task[number].answers, min_answer_length):
            reasons[number] = ANSWER
    counts = np.bincount(reasons, minlength=len(REASONS)).tolist()
    logger.info("%s: %d of %d examples are relevant", task.name, len(task) - counts[-1], len(task))
    if counts[-1] == len(task):
        raise ValueError(
            f"`task` must have an example with a relevant passage. Received: none of {len(task)} "
            f"in task {task.name!r}"
        )
    return task.select(np.flatnonzero(reasons != DROPPED)), dict(zip(REASONS, counts, strict=True))


@dataclass(frozen=True)
class _Text:
    """A passage as it is compared."""

    passage: Passage

    @cached_property
    def page(self) -> str:
        return self.passage.page_id or self.passage.title

    @cached_property
    def words(self) -> str:
        return f" {normalize_answer(f'{self.passage.title} {self.passage.text}')} "

    @cached_property
    def trigrams(self) -> set[tuple[str, ...]]:
        words = normalize_answer(self.passage.text).split()
        return set(zip(*(words[n:] for n in range(NGRAM)), strict=False))


def _check(
    task: Task, num_passages: int | None, min_overlap: float, min_answer_length: int
) -> np.ndarray:
    """Check the arguments; give the retrieved rows `(examples, passages)` to look at."""
    if task.retrieved is None:
        raise ValueError(
            f"`task` must have its retrieved rows set. Received: None in {task.name!r}"
        )
    if num_passages is not None and num_passages < 1:
        raise ValueError(
            f"`num_passages` must be at least 1. Received: num_passages={num_passages}"
        )
    if not 0 < min_overlap <= 1:
        raise ValueError(
            f"`min_overlap` must be over 0, up to 1. Received: min_overlap={min_overlap}"
        )
    check_integer("min_answer_length", min_answer_length)
    return task.retrieved[:, :num_passages]


def _gold_rows(corpus: Corpus, example: Example) -> list[int]:
    """Look up the rows that any piece of any evidence set points at."""
    pieces = dict.fromkeys(piece for pieces in example.evidence for piece in pieces)
    return list(dict.fromkeys(row for piece in pieces for row in corpus.rows_of(piece)))


def _hits(rows: np.ndarray, gold: list[list[int]], passages: int) -> np.ndarray:
    """Tell whether a retrieved row is among the gold ones of its example, boolean `(examples,)`."""
    if rows.max() >= passages:
        raise ValueError(
            f"`task` must be retrieved from `corpus`, of {passages} passages. "
            f"Received: row {rows.max()}"
        )
    pairs = zip(rows, gold, strict=True)
    return np.array([not set(gold_rows).isdisjoint(row.tolist()) for row, gold_rows in pairs])


def _overlap(text_of: Callable[[int], _Text], row: int, texts: list[_Text]) -> float:
    """Find the greatest share of trigrams that a text of the same page shares with a row's."""
    gold = text_of(row)
    shares = [0.0]
    for text in texts:
        if gold.page and text.page == gold.page and text.trigrams and gold.trigrams:
            least = min(len(text.trigrams), len(gold.trigrams))
            shares.append(len(text.trigrams & gold.trigrams) / least)
    return max(shares)


def _holds_answer(texts: list[_Text], answers: tuple[str, ...], min_length: int) -> bool:
    """Tell whether an answer that is a reason stands in one of the texts."""
    normalised = {normalize_answer(answer) for answer in answers} - TELL_NOTHING
    return any(
        f" {answer} " in text.words
        for answer in normalised
        if len(answer) >= min_length
        for text in texts
    )
