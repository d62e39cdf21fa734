import numpy as np
import pytest

from recipes.pretraining import questions
from recipes.pretraining.questions import Question, Questions
from recipes.pretraining.stream import Shape, Stream, padded

SHAPE = Shape(batch=16, question=8, passage=24, answer=6)


def make(examples, steps=10):
    asked = Questions([[9, 10, 11]], [1], {"qa": [Question([5, 6], [[7]], 0, 1, 2)]}, [3], [4])
    weights = {"cloze": (1.0, 0.0), "qa": (0.0, 1.0), "not there": (1.0, 1.0)}
    return Stream(examples, asked, shape=SHAPE, weights=weights, steps=steps, seed=1)


@pytest.fixture(autouse=True)
def whole_questions(monkeypatch):
    monkeypatch.setattr(questions, "TOKENS_LOST", 0.0)
    monkeypatch.setattr(questions, "UNTOLD", 0.0)


def test_weights_go_from_the_first_to_the_last(examples):
    stream = make(examples)
    asked = [
        int((stream.batch(step)[0]["question_token_ids"][:, :2] == [5, 6]).all(1).sum())
        for step in (0, 5, 10)
    ]
    assert asked[0] == 0
    assert 0 < asked[1] < 16
    assert asked[2] == 16


def test_inputs_are_the_models(examples):
    inputs, labels, weights = make(examples).batch(10)
    assert inputs["passage_token_ids"].shape == (16, 1, 24)
    np.testing.assert_array_equal(inputs["passage_token_ids"][0, 0, :5], [9, 10, 11, 1, 0])
    np.testing.assert_array_equal(inputs["passage_padding_mask"][0, 0, :5], [1, 1, 1, 1, 0])
    np.testing.assert_array_equal(labels[0], [7, 1, 0, 0, 0, 0])
    np.testing.assert_array_equal(inputs["decoder_token_ids"][0], [0, 7, 0, 0, 0, 0])
    np.testing.assert_array_equal(weights[0], [1, 1, 0, 0, 0, 0])


def test_a_step_is_the_same_from_wherever_it_starts(examples):
    stream = make(examples)
    ahead = list(stream.start_at(3).take(2).as_numpy_iterator())[1]
    again = stream.batch(4)
    for name, value in again[0].items():
        np.testing.assert_array_equal(ahead[0][name], value)
    np.testing.assert_array_equal(ahead[1], again[1])


def test_what_is_cut_has_no_end():
    ids, lengths = padded(([5, 6, 7, 8], [5]), 3)
    assert ids.tolist() == [[5, 6, 7], [5, 1, 0]]
    assert lengths.tolist() == [3, 2]
