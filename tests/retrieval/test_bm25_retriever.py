import math
from dataclasses import dataclass

import numpy as np
import pytest

from glimmer_keras.retrieval import BM25Retriever
from glimmer_keras.retrieval.bm25_retriever import top_rows
from tests import change_manifest


@dataclass
class Text:
    title: str
    text: str


PASSAGES = [
    Text("Fidelio", "The opera by Beethoven"),
    Text("Bonn", "Beethoven was born here"),
    Text("", "Trains run to Ulm"),
    Text("", "the of and"),
]


@pytest.fixture(scope="module")
def retriever():
    return BM25Retriever.build(PASSAGES, fingerprint="f1")


def test_finds_by_title_and_text(retriever):
    rows, scores = retriever.search(["who wrote the opera Fidelio?", "trains", "born in Bonn"], 2)
    assert rows[:, 0].tolist() == [0, 2, 1]
    assert (rows.dtype, scores.dtype) == (np.int32, np.float32)
    assert np.all(scores[:, 0] > 0)
    assert len(retriever) == 4
    assert repr(retriever).startswith("BM25Retriever(4 passages, ")


def test_score_by_hand():
    # "b" words: two passages of lengths 2 and 4, so the mean is 3; the word is once in each.
    passages = [Text("", "bonn ulm"), Text("", "bonn xx yy zz"), Text("", "aa bb cc")]
    k1, b = 1.5, 0.75
    rows, scores = BM25Retriever.build(passages, k1=k1, b=b).search(["bonn"], 3)
    idf = math.log(1 + (3 - 2 + 0.5) / (2 + 0.5))
    expected = [idf / (1 + k1 * (1 - b + b * length / 3)) for length in (2, 4)]
    assert rows.tolist() == [[0, 1, -1]]
    np.testing.assert_allclose(scores[0], [*expected, 0.0], rtol=1e-6)


def test_ties_go_to_the_lower_row():
    retriever = BM25Retriever.build([Text("", "other"), *[Text("", "same words")] * 5])
    rows, scores = retriever.search(["same words", "unknown"], 3)
    assert rows.tolist() == [[1, 2, 3], [-1, -1, -1]]
    assert scores[1].tolist() == [0, 0, 0]


def test_a_query_without_words_finds_nothing():
    rows, scores = BM25Retriever.build([Text("", "bonn"), Text("", "ulm")]).search(["a?", ""], 1)
    assert rows.tolist() == [[-1], [-1]]
    assert scores.tolist() == [[0], [0]]


def test_fewer_passages_than_asked_for(retriever):
    rows, scores = retriever.search(["beethoven"], 6)
    assert rows.tolist() == [[0, 1, -1, -1, -1, -1]]
    assert scores[0, 2:].tolist() == [0, 0, 0, 0]


def test_no_queries(retriever):
    rows, scores = retriever.search([], 3)
    assert rows.shape == scores.shape == (0, 3)


def test_top_rows():
    scores = np.array([1.0, 3.0, 2.0, 3.0, 2.0, 2.0])
    assert top_rows(scores, 4).tolist() == [1, 3, 2, 4]
    assert top_rows(scores, 1).tolist() == [1]
    assert top_rows(scores, 6).tolist() == [1, 3, 2, 4, 5, 0]


def test_top_rows_is_a_stable_sort():
    random = np.random.default_rng(0)
    for _ in range(50):
        scores = random.integers(0, 6, 40).astype("float32")
        whole = np.argsort(-scores, kind="stable")
        for k in (1, 7, 39, 40):
            np.testing.assert_array_equal(top_rows(scores, k), whole[:k])


def test_saved_and_loaded_finds_the_same(retriever, tmp_path):
    path = tmp_path / "deep" / "index"
    retriever.save(path)
    loaded = BM25Retriever.load(path, fingerprint="f1")
    queries = ["opera", "beethoven in bonn", "nothing known"]
    for one, other in zip(retriever.search(queries, 4), loaded.search(queries, 4), strict=True):
        np.testing.assert_array_equal(one, other)
    assert loaded.fingerprint == "f1"
    assert [entry.name for entry in path.parent.iterdir()] == ["index"]


def test_overwriting_is_asked_for(retriever, tmp_path):
    path = tmp_path / "index"
    retriever.save(path)
    with pytest.raises(FileExistsError, match=r"`path` must not exist, or `overwrite` be set"):
        retriever.save(path)
    BM25Retriever.build(PASSAGES[:2]).save(path, overwrite=True)
    assert len(BM25Retriever.load(path)) == 2
    assert [entry.name for entry in tmp_path.iterdir()] == ["index"]


def test_load_errors(retriever, tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"`path` must be a folder of .*with a manifest\.json"
    ):
        BM25Retriever.load(tmp_path / "none")
    path = tmp_path / "index"
    retriever.save(path)
    with pytest.raises(ValueError, match=r"from the corpus of fingerprint 'f2'\. Received: 'f1'"):
        BM25Retriever.load(path, fingerprint="f2")
    for change, message in (
        ({"version": 2, "num_passages": 9}, r"must hold 9 passages\. Received: 4"),
        ({"version": 0}, r"`format_version` must be 2\. Received: 0"),
    ):
        change_manifest(path / "manifest.json", **change)
        with pytest.raises(ValueError, match=message):
            BM25Retriever.load(path)


def test_argument_errors(retriever):
    for options, message in (
        ({"k1": -1}, r"`k1` must be at least 0\. Received: k1=-1"),
        ({"b": 1.5}, r"`b` must be from 0 to 1\. Received: b=1\.5"),
    ):
        with pytest.raises(ValueError, match=message):
            BM25Retriever.build(PASSAGES, **options)
    with pytest.raises(ValueError, match=r"`passages` must hold at least one passage"):
        BM25Retriever.build([])
    with pytest.raises(ValueError, match=r"`passages` must hold a word to search for"):
        BM25Retriever.build(PASSAGES[3:])
    with pytest.raises(ValueError, match=r"`k` must be at least 1\. Received: k=0"):
        retriever.search(["x"], 0)
    with pytest.raises(TypeError, match=r"`queries` must be a sequence of strings"):
        retriever.search("x", 1)
