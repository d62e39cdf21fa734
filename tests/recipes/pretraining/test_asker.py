from itertools import islice
from random import Random

import keras
import numpy as np
import pytest

from recipes.pretraining import asker as module
from recipes.pretraining.asker import SHAPE, Asked, Asker, Span
from recipes.pretraining.examples import END
from recipes.pretraining.pointer import Pointed
from tests.recipes.pretraining.test_asking import asking_of


class Parrot:
    """Asks what it was told to."""

    def __init__(self, questions):
        self.questions = questions

    def compile(self, sampler):
        pass

    def generate(self, inputs, stop_token_ids):
        assert inputs["passage_token_ids"].shape == (len(self.questions), 1, SHAPE.passage)
        assert inputs["decoder_padding_mask"].sum() == len(self.questions)
        ids = np.zeros((len(self.questions), SHAPE.answer), "int32")
        for row, question in enumerate(self.questions):
            ids[row, 1 : 1 + len(question)] = question
        return {"decoder_token_ids": ids}


class Words:
    def pair(self, question, passage):
        return question, passage


@pytest.fixture
def asker(examples, text):
    def asker(questions=(), **fixed):
        return Asker(Parrot(questions), None, text, asking_of(examples), Words(), seed=1)

    return asker


def test_spans_are_of_the_text(asker, text):
    spans = list(islice(asker().spans(Random(0)), 50))
    assert {span.task for span in spans} == {"tower"}
    assert {span.row for span in spans} == {0, 1, 2}
    assert all(text.title_lengths[span.row] <= span.start < span.end for span in spans)
    known = {(row, *span) for row in range(3) for span in text.spans(row).tolist()}
    assert 0 < sum((span.row, span.start, span.end) in known for span in spans) < 50


def test_what_is_no_question_is_left_out(asker, text):
    span = Span("tower", 0, 5, 6)
    told = text.passage(0)[5]
    good = [300, 301, 302, 303]
    questions = [
        [*good, END],
        [*good[:3], END],  # short
        [*good, told, END],  # tells the answer
        [*good] * 5,  # has no end
    ]
    made = asker([question[: SHAPE.answer - 1] for question in questions])
    asked = made.ask([span] * 4, Random(0))
    assert asked == [Asked(good, span)]


@pytest.mark.parametrize(
    ("found", "kept"),
    [
        (Pointed(4, 6, -2.0, -3.0), True),  # shares a token
        (Pointed(6, 8, -2.0, -3.0), False),  # does not, and is not sure
        (Pointed(6, 8, -0.1, -3.0), True),
        (Pointed(4, 6, -3.0, -2.0), False),  # more likely not told
    ],
)
def test_the_pointer_answers(asker, monkeypatch, found, kept):
    monkeypatch.setattr(module, "point", lambda pointer, pairs: [found] * len(pairs))
    asked = Asked([300, 301, 302, 303], Span("tower", 0, 4, 5))
    answered = asker().answered([asked])
    assert answered == ([Asked(asked.question, Span("tower", 0, found.start, found.end))] * kept)


def test_places_are_those_of_the_whole_passage(asker, monkeypatch):
    monkeypatch.setattr(module, "WINDOW", 8)
    pairs = []

    def point(pointer, given):
        pairs.extend(given)
        return [Pointed(4, 5, -0.1, -3.0)]

    monkeypatch.setattr(module, "point", point)
    made = asker()
    tokens = made.text.passage(0)
    (answered,) = made.answered([Asked([300], Span("tower", 0, 12, 13))])
    assert (answered.span.start, answered.span.end) == (12, 13)
    assert pairs == [([300], tokens[8:16])]


def test_nothing_asked_is_nothing_answered(asker):
    assert asker().answered([]) == []


def test_a_part_begins_alike_every_time(asker):
    made = asker()
    first = list(islice(made.spans(made.restart(3)), 5))
    assert list(islice(made.spans(made.restart(3)), 5)) == first
    state = keras.ops.convert_to_numpy(made.sampler.seed_generator.state)
    assert state.tolist() == [1, 3]
