"""What every retriever does."""

from dataclasses import dataclass

import numpy as np
import pytest

from glimmer_keras.retrieval import BM25Retriever, DenseRetriever, FaissIndex, Retriever

WORDS = ["opera", "trains", "bonn"]


@dataclass
class Text:
    title: str
    text: str


def encode(queries):
    """How often each word is in a text."""
    return np.array([[query.count(word) for word in WORDS] for query in queries], "float32")


def bm25(texts) -> Retriever:
    return BM25Retriever.build([Text("", text) for text in texts])


def dense(texts) -> Retriever:
    return DenseRetriever(encode(texts), encode)


def faiss(texts) -> Retriever:
    pytest.importorskip("faiss")
    vectors = encode(texts)
    return DenseRetriever(vectors, encode, FaissIndex.build(vectors, "Flat"))


@pytest.fixture(params=[bm25, dense, faiss])
def retriever(request):
    return request.param(["the opera", "trains", "trains", "bonn"])


def test_best_first_and_ties_to_the_lower_row(retriever):
    rows, scores = retriever.search(["trains", "bonn"], 2)
    assert len(retriever) == 4
    assert rows[0].tolist() == [1, 2]
    assert rows[1, 0] == 3
    assert (rows.dtype, scores.dtype) == (np.int32, np.float32)
    assert scores[0, 0] == scores[0, 1] > 0
    assert scores[1, 0] > scores[1, 1] == 0


def test_fewer_passages_than_asked_for(retriever):
    rows, scores = retriever.search(["opera"], 6)
    # What shares no word is not found; every vector is.
    found = 1 if isinstance(retriever, BM25Retriever) else 4
    assert rows.tolist() == [[*range(found), *[-1] * (6 - found)]]
    assert scores[0, 1:].tolist() == [0, 0, 0, 0, 0]


def test_no_queries(retriever):
    rows, scores = retriever.search([], 3)
    assert rows.shape == scores.shape == (0, 3)


def test_errors(retriever):
    with pytest.raises(ValueError, match=r"`k` must be at least 1\. Received: k=0"):
        retriever.search(["x"], 0)
    with pytest.raises(TypeError, match=r"`queries` must be a sequence of strings"):
        retriever.search("x", 1)
