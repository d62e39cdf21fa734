import importlib

import numpy as np
import pytest

from glimmer_keras import data, pipelines

MODULE = importlib.import_module("glimmer_keras.pipelines.write_retrieved")

CORPUS = data.Corpus([data.Passage(f"p{n}", "", f"word{n} word{n + 1}") for n in range(6)])
TASK = data.Task("qa", [data.Example(str(n), "qa", f"word{n}", ("x",)) for n in range(5)])
INDEX = pipelines.bm25_index(CORPUS)


class Counting:
    """Finds what `INDEX` finds, up to so many questions."""

    fingerprint = CORPUS.fingerprint
    settings = INDEX.settings

    def __init__(self, last=100):
        self.asked, self.last = [], last

    def __len__(self):
        return len(INDEX)

    def search(self, queries, k):
        self.asked += queries
        if len(self.asked) > self.last:
            raise KeyboardInterrupt
        return INDEX.search(queries, k)


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr(MODULE, "CHUNK", 2)


def test_rows_and_scores_are_the_retrievers(tmp_path):
    rows, scores = INDEX.search([example.question for example in TASK], 3)
    found = pipelines.write_retrieved(INDEX, TASK, CORPUS, tmp_path / "qa", 3)
    np.testing.assert_array_equal(found.retrieved, rows)
    np.testing.assert_array_equal(np.load(tmp_path / "qa" / "scores.npy"), scores)
    (held,) = pipelines.retrieve([TASK], INDEX, 3)
    np.testing.assert_array_equal(held.retrieved, found.retrieved)


def test_interrupted_it_goes_on(tmp_path):
    interrupted, rest, none = Counting(last=4), Counting(), Counting()
    with pytest.raises(KeyboardInterrupt):
        pipelines.write_retrieved(interrupted, TASK, CORPUS, tmp_path / "qa", 2)
    assert not (tmp_path / "qa").exists()
    found = pipelines.write_retrieved(rest, TASK, CORPUS, tmp_path / "qa", 2)
    assert rest.asked == ["word4"]
    expected, _ = INDEX.search([example.question for example in TASK], 2)
    np.testing.assert_array_equal(found.retrieved, expected)
    again = pipelines.write_retrieved(none, TASK, CORPUS, tmp_path / "qa", 2)
    np.testing.assert_array_equal(again.retrieved, expected)
    assert none.asked == []
    none.settings = {"name": "another"}
    with pytest.raises(FileExistsError, match="has settings .*bm25.* Received: .*another"):
        pipelines.write_retrieved(none, TASK, CORPUS, tmp_path / "qa", 2)


def test_a_retriever_of_another_corpus(tmp_path):
    other = data.Corpus([*CORPUS][::-1])
    with pytest.raises(ValueError, match="`retriever` must be of `corpus`, of 6 passages"):
        pipelines.write_retrieved(INDEX, TASK, other, tmp_path / "qa", 2)
    with pytest.raises(ValueError, match="Received: 6 passages"):
        pipelines.write_retrieved(INDEX, TASK, data.Corpus(CORPUS[:5]), tmp_path / "qa", 2)
    assert [*tmp_path.iterdir()] == []
