import numpy as np
import pytest

from glimmer_keras.data import Corpus, Example, Passage, Task
from glimmer_keras.pipelines import TrainingData
from recipes.pretraining import pointed as module
from recipes.pretraining.pointed import LEAST, PointedLikelihoods

TEXTS = ["The tower was built by Mirelda Voss.", "Mirelda Voss saw Torvik.", "A ship burned."]


class Words:
    def pair(self, question, passage):
        return passage


@pytest.fixture
def data():
    corpus = Corpus([Passage(str(n), "", text) for n, text in enumerate(TEXTS)])
    asked = [
        Example("1", "qa", "who built it", ("mirelda VOSS", "Voss")),
        Example("2", "qa", "x", ("y",)),
    ]
    tasks = [
        Task("qa", asked).with_retrieved(np.array([[2, 1, 0, -1], [0, 1, 2, -1]])),
        Task("claims", [Example("3", "claims", "so", ("TRUE",))]).with_retrieved(
            np.array([[0, 1, 2, -1]])
        ),
    ]
    return TrainingData(corpus, None, tasks, [], tasks[1:], [])


def test_passages_with_an_answer_get_its_likelihood(data, examples, model, monkeypatch, tmp_path):
    monkeypatch.setattr(module, "AT_ONCE", 3)
    told = []

    def log_likelihoods(pointer, pairs, spans):
        assert (pointer, len(pairs)) == ("pointer", 3)
        for tokens, places in zip(pairs, spans, strict=True):
            told.append({examples.processor.decode(tokens[start:end]) for start, end in places})
        return np.array([-1.0, -99.0, 0.0])

    monkeypatch.setattr(module, "log_likelihoods", log_likelihoods)
    pointed = PointedLikelihoods("pointer", Words(), model)
    reader = {("train", "qa"): np.full((2, 4), -5.0), ("train", "claims"): np.full((1, 4), -6.0)}
    reader["held", "claims"] = np.full((1, 4), -7.0)
    found = pointed(data, reader, tmp_path)
    # The third pair fills up. What has no answer, or next to none, has the least.
    assert told == [{"mirelda voss", "voss"}, {"mirelda voss", "voss"}, set()]
    np.testing.assert_allclose(found["train", "qa"], [[LEAST, -1, LEAST, LEAST], [-5] * 4])
    np.testing.assert_allclose(found["train", "claims"], [[-6] * 4])
    np.testing.assert_allclose(found["held", "claims"], [[-7] * 4])
    again = pointed(data, reader, tmp_path)
    assert len(told) == 3
    np.testing.assert_allclose(again["train", "qa"], found["train", "qa"])
