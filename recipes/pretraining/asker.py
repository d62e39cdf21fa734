"""Questions asked of a text by a reader that has learned to, and answered by a pointer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

import keras
import keras_hub
import numpy as np

import glimmer_keras as gk
from glimmer_keras.data.padding import padding_mask
from recipes.pretraining.asking import LONGEST, Asking
from recipes.pretraining.examples import END, Ids, contains
from recipes.pretraining.pointer import Words, point
from recipes.pretraining.pointing import WINDOW
from recipes.pretraining.stream import Shape, padded
from recipes.pretraining.text import Text

SHAPE = Shape(batch=64, question=16, passage=72, answer=24)
SPANS_OF_ONE = 3  # of a passage
PHRASES = 0.45  # of the spans; the rest are names and numbers
MOST_LIKELY, TEMPERATURE = 6, 0.8  # of sampling
LEAST_TOKENS = 4  # of a question
SURE = float(np.log(0.5))


@dataclass(frozen=True)
class Span:
    """What is asked for: tokens of a passage of the text, in the style of a task."""

    task: str
    row: int
    start: int
    end: int


@dataclass(frozen=True)
class Asked:
    """A question about a span."""

    question: Ids
    span: Span


class Asker:
    """Asks and answers.

    Args:
        reader: Trained on `Asking`.
        pointer: Trained on `Pointing`.
        text: What is asked of.
        asking: Of the questions that both were trained on.
        words: The pointer's.
        seed: Of sampling.
    """

    def __init__(
        self,
        reader: gk.Glimmer,
        pointer: keras.Model,
        text: Text,
        asking: Asking,
        words: Words,
        seed: int,
    ) -> None:
        self.pointer, self.text, self.asking, self.words = pointer, text, asking, words
        self.reader = reader
        self.seed = seed
        self.sampler = keras_hub.samplers.TopKSampler(MOST_LIKELY, temperature=TEMPERATURE, seed=0)
        reader.preprocessor = None  # it is given token ids
        reader.compile(sampler=self.sampler)

    def restart(self, number: int) -> Random:
        """Begin to sample as a part of the questions does, and give what draws its spans."""
        self.sampler.seed_generator.state.assign([self.seed, number])
        return Random(f"{self.seed}-{number}")

    def spans(self, rng: Random) -> Iterator[Span]:
        """Spans of passages drawn at random, without end."""
        names = list(self.asking.tasks)
        weights = [len(rows) ** 0.25 for rows in self.asking.tasks.values()]
        while True:
            row = rng.randrange(len(self.text))
            tokens, title = self.text.passage(row), int(self.text.title_lengths[row])
            known = self.text.spans(row)
            for _ in range(SPANS_OF_ONE):
                if rng.random() < PHRASES or not len(known):
                    place = self.asking.phrase(rng, tokens, title)
                else:
                    start, end = known[rng.randrange(len(known))].tolist()
                    place = start, end
                if place and place[0] >= title and place[1] - place[0] <= LONGEST:
                    yield Span(rng.choices(names, weights)[0], row, *place)

    def ask(self, spans: list[Span], rng: Random) -> list[Asked]:
        """Ask for spans; a question that is cut, is short or tells the span is left out."""
        given = []
        for span in spans:
            tokens, title = self.text.passage(span.row), int(self.text.title_lengths[span.row])
            place = span.start, span.end
            given.append(self.asking.asked(span.task, rng, tokens, title, *place, SHAPE.passage))
        question, question_lengths = padded(
            tuple(asked for asked, _ in given), SHAPE.question, ended=False
        )
        passage, passage_lengths = padded(tuple(p for _, p in given), SHAPE.passage)
        first = np.zeros((len(spans), SHAPE.answer), bool)
        first[:, 0] = True
        inputs = {
            "question_token_ids": question,
            "question_padding_mask": padding_mask(question_lengths, SHAPE.question),
            "passage_token_ids": passage[:, None],
            "passage_padding_mask": padding_mask(passage_lengths, SHAPE.passage)[:, None],
            "decoder_token_ids": np.zeros(first.shape, "int32"),
            "decoder_padding_mask": first,
        }
        outputs = self.reader.generate(inputs, stop_token_ids=[END])
        asked = []
        for span, ids in zip(spans, outputs["decoder_token_ids"][:, 1:].tolist(), strict=True):
            ids = ids[: ids.index(END)] if END in ids else []
            told = self.text.passage(span.row)[span.start : span.end]
            if len(ids) >= LEAST_TOKENS and not contains(ids, told):
                asked.append(Asked(ids, span))
        return asked

    def answered(self, asked: list[Asked]) -> list[Asked]:
        """The questions of which the pointer finds an answer, with the span that it points at.

        That is one that shares tokens with the span that was asked for, or that it is sure of.
        """
        if not asked:
            return []
        pairs, begins = [], []
        for each in asked:
            tokens = self.text.passage(each.span.row)
            begin = max(0, min(each.span.start - WINDOW // 2, len(tokens) - WINDOW))
            pairs.append(self.words.pair(each.question, tokens[begin : begin + WINDOW]))
            begins.append(begin)
        kept = []
        for each, begin, found in zip(asked, begins, point(self.pointer, pairs), strict=True):
            span = Span(each.span.task, each.span.row, begin + found.start, begin + found.end)
            same = span.start < each.span.end and each.span.start < span.end
            if found.told > found.untold and (same or found.told > SURE):
                kept.append(Asked(each.question, span))
        return kept
