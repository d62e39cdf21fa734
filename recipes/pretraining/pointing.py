"""What a pointer learns from: questions of people, each with a passage that tells or does not."""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np

from recipes.pretraining.endless import endless
from recipes.pretraining.examples import Ids, window
from recipes.pretraining.pointer import Pair, Words, inputs_of
from recipes.pretraining.questions import Question, Questions

WINDOW = 112  # tokens of a passage, most of `pointer.LENGTH`
UNTOLD = 0.15  # of the questions, with a passage that does not tell

Labels = dict[str, np.ndarray]


class Pointing:
    """Batches of questions, each a draw of its step and the seed alone.

    Args:
        questions: Of people; those whose answer stands in their passage are taken.
        words: Turns them into the pointer's tokens.
        batch: Questions in one.
        seed: Of the draws.
    """

    def __init__(self, questions: Questions, words: Words, batch: int, seed: int) -> None:
        self.questions, self.words, self.size, self.seed = questions, words, batch, seed
        told = {name: questions.told(name) for name in questions.tasks}
        self.tasks = {name: rows for name, rows in told.items() if rows}
        self.weights = [len(rows) ** 0.5 for rows in self.tasks.values()]

    def batch(self, step: int) -> tuple[dict[str, np.ndarray], Labels]:
        """Inputs of a pointer, and the places `start` and `end`, int `(batch,)`."""
        rng = Random(f"{self.seed}-{step}")
        names = rng.choices(list(self.tasks), self.weights, k=self.size)
        pairs, starts, ends = zip(*(self.draw(name, rng) for name in names), strict=True)
        return inputs_of(pairs), {"start": np.array(starts), "end": np.array(ends)}

    def draw(self, name: str, rng: Random) -> tuple[Pair, int, int]:
        """A question with a passage, and where in both of them the answer is; 0 if nowhere."""
        asked = self.questions
        question = rng.choice(self.tasks[name])
        if rng.random() < UNTOLD and (other := asked.untelling(question, rng)) is not None:
            tokens = asked.passages[other]
            place = rng.randrange(max(1, len(tokens)))
            part = window(rng, tokens, asked.titles[other], place, place + 1, WINDOW)
            return self.words.pair(question.question, part), 0, 0
        pair, place = self._told(question, rng)
        return pair, *(place or (0, 0))

    def _told(self, question: Question, rng: Random) -> tuple[Pair, tuple[int, int] | None]:
        tokens = self.questions.passages[question.passage]
        title = self.questions.titles[question.passage]
        start, end = question.start, question.end
        kept: Ids = window(rng, list(range(len(tokens))), title, start, end, WINDOW)
        pair = self.words.pair(question.question, [tokens[n] for n in kept])
        if start not in kept or end - 1 not in kept:
            return pair, None
        return pair, pair.place(kept.index(start), kept.index(end - 1) + 1)

    def start_at(self, step: int) -> Any:
        """A `tf.data.Dataset` of the batches from a step on, without end."""
        return endless(self.batch, step)
