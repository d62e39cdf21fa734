import builtins

import numpy as np
import pytest

from glimmer_keras.retrieval import DenseRetriever, VectorStore
from glimmer_keras.retrieval.dense_retriever import search_exactly

VECTORS = np.array([[1, 0], [0, 1], [0.6, 0.8], [1, 0]], "float32")


def encode(queries):
    return np.array([[float(number) for number in query.split()] for query in queries])


@pytest.fixture
def saved(tmp_path):
    made_of = {"fingerprint": "passages", "encoder_fingerprint": "encoder"}
    retriever = DenseRetriever(VECTORS.astype("float16"), encode, **made_of)
    retriever.save(tmp_path / "index")
    return tmp_path / "index"


def test_products_by_hand():
    rows, scores = DenseRetriever(VECTORS, encode).search(["0 2", "1 1"], 3)
    assert rows.tolist() == [[1, 2, 0], [2, 0, 1]]
    np.testing.assert_allclose(scores, [[2, 1.6, 0], [1.4, 1, 1]], rtol=1e-6)
    assert DenseRetriever(VECTORS, encode, encoder_fingerprint="e").settings == {
        "name": "dense",
        "encoder": "e",
        "search": "exact",
    }
    assert repr(DenseRetriever(VECTORS, encode)) == "DenseRetriever(4 passages x 2, exact)"


@pytest.mark.parametrize(("block", "queries"), [(1, 1), (7, 3), (64, 256)])
def test_blocks_make_no_difference(monkeypatch, rng, block, queries):
    """Against a stable sort of all products, of small integers, so that many are equal."""
    monkeypatch.setattr("glimmer_keras.retrieval.dense_retriever.BLOCK", block)
    monkeypatch.setattr("glimmer_keras.retrieval.dense_retriever.QUERIES", queries)
    vectors = rng.integers(-2, 3, (50, 3)).astype("float16")
    asked = rng.integers(-2, 3, (5, 3)).astype("float32")
    products = asked @ vectors.T.astype("float32")
    expected = np.argsort(-products, axis=1, kind="stable")
    for k in (1, 10, 50):
        rows, scores = search_exactly(vectors, asked, k)
        np.testing.assert_array_equal(rows, expected[:, :k])
        np.testing.assert_array_equal(scores, np.take_along_axis(products, rows, 1))


def test_vectors_may_be_anywhere(saved, tmp_path):
    import tensorstore as ts

    np.save(tmp_path / "vectors.npy", VECTORS)
    mapped = np.load(tmp_path / "vectors.npy", mmap_mode="r")
    expected = DenseRetriever(VECTORS, encode).search(["1 2", "2 1"], 4)
    for vectors in (mapped, ts.array(VECTORS), VectorStore.open(saved)):
        found = DenseRetriever(vectors, encode).search(["1 2", "2 1"], 4)
        np.testing.assert_array_equal(found[0], expected[0])
        np.testing.assert_allclose(found[1], expected[1], rtol=1e-3)  # one of them in float16


@pytest.mark.parametrize("in_memory", [True, False])
def test_saved_and_loaded_finds_the_same(saved, in_memory):
    loaded = DenseRetriever.load(
        saved,
        encode,
        fingerprint="passages",
        encoder_fingerprint="encoder",
        in_memory=in_memory,
    )
    assert isinstance(loaded.vectors, np.ndarray) == in_memory
    assert (loaded.fingerprint, loaded.encoder_fingerprint) == ("passages", "encoder")
    np.testing.assert_array_equal(loaded.vectors[:], VECTORS.astype("float16"))
    assert loaded.search(["0 2"], 2)[0].tolist() == [[1, 2]]


def test_other_passages_and_encoders_are_refused(saved):
    with pytest.raises(ValueError, match="from the corpus of fingerprint 'x'. Received: 'passag"):
        DenseRetriever.load(saved, encode, fingerprint="x")
    with pytest.raises(ValueError, match="encoder of fingerprint 'x'. Received: 'encoder'"):
        DenseRetriever.load(saved, encode, encoder_fingerprint="x")


def test_nothing_is_written_over(saved, files):
    before = files(saved)
    same = DenseRetriever.load(saved, encode, in_memory=False)
    with pytest.raises(FileExistsError, match="`path` must hold no complete vectors"):
        same.save(saved)
    with pytest.raises(FileExistsError, match="with another dtype, fingerprint"):
        DenseRetriever(VECTORS, encode, encoder_fingerprint="encoder").save(saved)
    assert files(saved) == before


def test_an_index_is_built_once_and_kept(saved, monkeypatch):
    pytest.importorskip("faiss")
    first = DenseRetriever.load(saved, encode, index="HNSW8")
    assert repr(first) == "DenseRetriever(4 passages x 2, by FAISS)"

    def build(*args):
        raise AssertionError("built again")

    monkeypatch.setattr("glimmer_keras.retrieval.faiss_index.FaissIndex.build", build)
    again = DenseRetriever.load(saved, encode, index="HNSW8", parameters="efSearch=32")
    for retriever in (first, again):
        assert retriever.search(["0 2"], 3)[0].tolist() == [[1, 2, 0]]
    index = saved / "faiss" / "HNSW8"
    index.write_bytes(index.read_bytes()[:-1] + b"?")
    with pytest.raises(ValueError, match="faiss/HNSW8 is damaged: its checksum is another"):
        DenseRetriever.load(saved, encode, index="HNSW8")


def test_without_faiss_the_extra_is_named(saved, monkeypatch):
    real = builtins.__import__

    def absent(name, *args):
        if name == "faiss":
            raise ImportError(name)
        return real(name, *args)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(ImportError, match=r"pip install glimmer_keras\[faiss\]"):
        DenseRetriever.load(saved, encode, index="Flat")


def test_argument_errors():
    with pytest.raises(ValueError, match=r"`vectors` must be \(passages, dim\).*shape=\(0, 2\)"):
        DenseRetriever(np.zeros((0, 2)), encode)
    with pytest.raises(ValueError, match=r"must give vectors \(1, 2\)\. Received: shape=\(1, 3\)"):
        DenseRetriever(VECTORS, encode).search(["1 2 3"], 1)
    with pytest.raises(ValueError, match="must be finite in float32"):
        DenseRetriever(VECTORS, encode).search(["1 nan"], 1)
