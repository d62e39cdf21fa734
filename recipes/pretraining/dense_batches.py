"""Batches of texts and the passages that they go with, for an encoder of both."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from recipes.pretraining.endless import endless

QUESTION_LENGTH, PASSAGE_LENGTH = 32, 128
END = 1  # T5's end of a text


class PairBatches:
    """Questions and pieces of passages, as token ids, each with its passage at the same place.

    Args:
        questions: Token ids.
        rows: Of each question the passage that tells its answer.
        passages: Token ids.
        size: Of a batch, half of it questions.
    """

    def __init__(
        self,
        questions: Sequence[Sequence[int]],
        rows: Sequence[int],
        passages: Sequence[Sequence[int]],
        size: int,
    ) -> None:
        self.questions, self.rows, self.passages, self.size = questions, rows, passages, size

    def batch(self, step: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """The batch of a step: token ids `(size, length)`, and the place of each one's passage."""
        rng = np.random.default_rng(step)
        pairs: dict[int, tuple] = {}  # by row: no passage is twice in a batch
        for number in rng.permutation(len(self.questions)):
            if len(pairs) == self.size // 2:
                break
            row = self.rows[number]
            pairs.setdefault(row, (self.questions[number], self.passages[row]))
        for row in rng.permutation(len(self.passages)):
            if len(pairs) == min(self.size, len(self.passages)):
                break
            pairs.setdefault(row, piece_and_rest(list(self.passages[row]), rng))
        question, passage = zip(*pairs.values(), strict=True)
        inputs = {
            "question": pad(question, QUESTION_LENGTH),
            "passage": pad(passage, PASSAGE_LENGTH),
        }
        return inputs, np.arange(len(pairs), dtype="int32")

    def start_at(self, step: int) -> Any:
        """A `tf.data.Dataset` of the batches from a step on, without end."""
        return endless(self.batch, step)


def piece_and_rest(tokens: list[int], rng: np.random.Generator) -> tuple[list[int], list[int]]:
    """A few tokens in a row, and the passage, in every second case without them."""
    length = rng.integers(4, 24)
    start = rng.integers(max(1, len(tokens) - length))
    piece = tokens[start : start + length]
    rest = tokens[:start] + tokens[start + length :] if rng.random() < 0.5 else tokens
    return piece, rest or tokens


def pad(sequences: Sequence[Sequence[int]], length: int) -> np.ndarray:
    """Token ids `(sequences, length)`, each cut and ended."""
    ids = np.zeros((len(sequences), length), "int32")
    for row, sequence in zip(ids, sequences, strict=True):
        kept = [*sequence[: length - 1], END]
        row[: len(kept)] = kept
    return ids
