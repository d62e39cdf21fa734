import numpy as np
import pytest

from glimmer_keras.retrieval import FaissIndex
from glimmer_keras.retrieval.dense_retriever import search_exactly

pytest.importorskip("faiss")


@pytest.fixture
def vectors(rng):
    vectors = rng.normal(size=(400, 8)).astype("float32")
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def recall(found, expected):
    return np.mean([len(set(a) & set(b)) / len(b) for a, b in zip(found, expected, strict=True)])


@pytest.mark.parametrize(
    ("factory", "parameters", "least"),
    [
        ("Flat", "", 1.0),
        ("HNSW16", "efSearch=200", 0.99),
        ("IVF4,Flat", "nprobe=4", 1.0),  # all four parts are searched
    ],
)
def test_finds_what_an_exact_search_finds(vectors, factory, parameters, least, monkeypatch):
    monkeypatch.setattr("glimmer_keras.retrieval.faiss_index.BLOCK", 150)
    rows, scores = search_exactly(vectors, vectors[:50], 10)
    index = FaissIndex.build(vectors, factory, parameters)
    assert len(index) == 400
    for way in (index, FaissIndex.from_bytes(index.to_bytes(), factory, parameters)):
        found, products = way.search(vectors[:50], 10)
        assert recall(found, rows) >= least
        np.testing.assert_allclose(products[:, 0], scores[:, 0], rtol=1e-5)
        assert (found.dtype, products.dtype) == (np.int32, np.float32)


def test_parameters_matter(vectors):
    expected, _ = search_exactly(vectors, vectors, 10)
    one, all_of_them = (
        FaissIndex.build(vectors, "IVF4,Flat", f"nprobe={parts}").search(vectors, 10)[0]
        for parts in (1, 4)
    )
    assert recall(one, expected) < 0.9 < recall(all_of_them, expected)


def test_errors(vectors):
    with pytest.raises(ValueError, match="`index` must be 'exact' or .*Received: index='best'"):
        FaissIndex.build(vectors, "best")
    with pytest.raises(ValueError, match="can make of 3 x 8 vectors .*index='IVF4,Flat'"):
        FaissIndex.build(vectors[:3], "IVF4,Flat")
    with pytest.raises(ValueError, match="`parameters` must be .*Received: parameters='much=1'"):
        FaissIndex.build(vectors, "Flat", "much=1")
