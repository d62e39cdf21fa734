"""The mixture that a reader is pretrained on, batch by batch, from one seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, Protocol

import numpy as np

from glimmer_keras.data.padding import padding_mask, shift_right
from recipes.pretraining.endless import endless
from recipes.pretraining.examples import END, Example, Ids

PAD = 0


@dataclass(frozen=True)
class Shape:
    """Of batches: examples, and tokens of a question, a passage and an answer."""

    batch: int
    question: int
    passage: int
    answer: int


class Source(Protocol):
    """Draws examples of some tasks, by name."""

    tasks: Mapping[str, Any]

    def draw(self, name: str, rng: Random, size: int) -> Example: ...


class Stream:
    """Batches of one passage a question, each a draw of its step and the seed alone.

    Args:
        *sources: Of examples, such as `Examples` and `Questions`.
        shape: Of a batch.
        weights: Of each task, by name, at the first and at the last step; in between they go
            from one to the other.
        steps: In all.
        seed: Of the draws.
    """

    def __init__(
        self,
        *sources: Source,
        shape: Shape,
        weights: dict[str, tuple[float, float]],
        steps: int,
        seed: int,
    ) -> None:
        self.shape = shape
        self.sources = {name: source for source in sources for name in source.tasks}
        self.names = [name for name in weights if name in self.sources]
        self.first, self.last = np.array([weights[name] for name in self.names]).T
        self.steps, self.seed = steps, seed

    def batch(self, step: int) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
        """Inputs of the model, labels, and their weights."""
        rng = Random(f"{self.seed}-{step}")
        part = min(step / self.steps, 1.0)
        weights = (1 - part) * self.first + part * self.last
        drawn = []
        for name in rng.choices(self.names, weights, k=self.shape.batch):
            drawn.append(self.sources[name].draw(name, rng, self.shape.passage))
        questions, passages, answers = zip(*drawn, strict=True)
        question, question_lengths = padded(questions, self.shape.question, ended=False)
        passage, passage_lengths = padded(passages, self.shape.passage)
        labels, lengths = padded(answers, self.shape.answer)
        inputs = {
            "question_token_ids": question,
            "question_padding_mask": padding_mask(question_lengths, self.shape.question),
            "passage_token_ids": passage[:, None],
            "passage_padding_mask": padding_mask(passage_lengths, self.shape.passage)[:, None],
            "decoder_token_ids": shift_right(labels, lengths, PAD, PAD),
            "decoder_padding_mask": padding_mask(lengths, self.shape.answer),
        }
        return inputs, labels, padding_mask(lengths, self.shape.answer).astype("float32")

    def start_at(self, step: int) -> Any:
        """A `tf.data.Dataset` of the batches from a step on, without end."""
        return endless(self.batch, step)


def padded(rows: tuple[Ids, ...], length: int, ended: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Token ids `(rows, length)`, cut and ended, and their lengths; what is cut has no end."""
    ids = np.full((len(rows), length), PAD, "int32")
    lengths = np.zeros(len(rows), "int32")
    for number, row in enumerate(rows):
        kept = ([*row, END] if ended else row)[:length]
        ids[number, : len(kept)] = kept
        lengths[number] = len(kept)
    return ids, lengths
