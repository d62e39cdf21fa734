import importlib
import logging
import os
from pathlib import Path

import numpy as np
import pytest

import glimmer_keras as gk
from glimmer_keras import data, pipelines
from glimmer_keras.memory import MemoryStore, StoredPassage
from glimmer_keras.models import TextEmbedder
from glimmer_keras.pipelines import TextVectors, bm25_index, dense_index

MODULE = importlib.import_module("glimmer_keras.pipelines.retrieve")

TEXTS = ["the harp of Mirelda", "a camp in Torvik", "a fine romance"]
WORDS = data.Corpus([data.Passage(f"p{n}", "", f"word{n} word{n + 1}") for n in range(6)])
TASK = data.Task("qa", [data.Example(str(n), "qa", f"word{n}", ("x",)) for n in range(5)])
INDEX = bm25_index(WORDS)


def write_store(path, texts=TEXTS):
    writer = MemoryStore.create(path, hidden_dim=2, passage_length=3)
    passages = [StoredPassage(f"p{i}", "", text) for i, text in enumerate(texts)]
    writer.write_shard(0, np.ones((len(texts), 3, 2)), [3, 2, 1][: len(texts)], passages)
    writer.complete(1)
    return MemoryStore.open(path)


@pytest.fixture
def store(tmp_path):
    return write_store(tmp_path / "s")


@pytest.fixture(scope="module")
def corpus():
    return data.Corpus([data.Passage(str(i), "", text) for i, text in enumerate(TEXTS)])


def test_bm25_is_kept_beside_the_store_and_built_again_when_that_changes(store, tmp_path, caplog):
    index = bm25_index(store)
    assert index.search(["Torvik"], 1)[0].tolist() == [[1]]
    made = (tmp_path / "s.bm25" / "manifest.json").stat().st_mtime_ns
    assert bm25_index(store).search(["Torvik"], 1)[0].tolist() == [[1]]
    assert (tmp_path / "s.bm25" / "manifest.json").stat().st_mtime_ns == made
    store.delete(["p0"])
    with caplog.at_level(logging.INFO, logger="glimmer_keras"):
        index = bm25_index(store)
    assert "s.bm25 is not of the passages that are there now" in caplog.text
    assert (len(index), index.search(["Torvik"], 1)[0].tolist()) == (2, [[0]])


def test_an_index_that_cannot_be_kept_is_made_all_the_same(store, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path)
    assert len(bm25_index(store)) == 3
    assert not (tmp_path / "s.bm25").exists()
    assert "s.bm25 cannot be written: the index is made anew each time" in caplog.text
    with pytest.raises(OSError, match=r"`path` \(--index\) keeps the index elsewhere"):
        bm25_index(store, "/proc/none/index")


def test_bm25_of_a_corpus(corpus, tmp_path):
    assert bm25_index(corpus).search(["romance"], 1)[0].tolist() == [[2]]
    assert [*tmp_path.iterdir()] == []
    bm25_index(corpus, tmp_path / "index")
    assert bm25_index(corpus, tmp_path / "index").fingerprint == corpus.fingerprint


def test_nothing_else_is_written_over(store, tmp_path):
    with pytest.raises(ValueError, match="must be an index, or not be there. Received: path='"):
        bm25_index(store, tmp_path / "s")
    assert MemoryStore.open(tmp_path / "s").verify() == []


def test_a_store_at_a_url_needs_a_path(embedder):
    store = write_store("memory://indexed", TEXTS[:1])
    with pytest.raises(ValueError, match="Received: path=None for memory://indexed"):
        bm25_index(store)
    with pytest.raises(ValueError, match="Received: path=None for memory://indexed"):
        dense_index(store, embedder)
    assert len(dense_index(store, embedder, "memory://dense-vectors")) == 1


@pytest.mark.parametrize("index", ["exact", "Flat"])
def test_a_passage_is_found_by_its_own_text(corpus, embedder, index, tmp_path):
    if index != "exact":
        pytest.importorskip("faiss")
    for path in (None, tmp_path / "vectors"):
        retriever = dense_index(corpus, embedder, path, index=index)
        rows, scores = retriever.search([passage.content for passage in corpus], 2)
        assert rows[:, 0].tolist() == [0, 1, 2]
        np.testing.assert_allclose(scores[:, 0], 1, atol=2e-3)  # float16 where kept
        assert retriever.fingerprint == corpus.fingerprint
    assert [file.name for file in tmp_path.iterdir()] == ["vectors"]


def test_interrupted_embedding_goes_on(corpus, embedder, tmp_path, monkeypatch, files):
    monkeypatch.setattr("glimmer_keras.retrieval.vector_store.CHUNK", 1)  # three chunks
    dense_index(corpus, embedder, tmp_path / "whole")
    call, embedded = TextVectors.passages, []

    def counted(self, texts, after_batch):
        if len(embedded) == 2:
            embedded.append("stop")
            raise KeyboardInterrupt
        embedded.extend(texts)
        return call(self, texts, after_batch)

    monkeypatch.setattr(TextVectors, "passages", counted)
    with pytest.raises(KeyboardInterrupt):
        dense_index(corpus, embedder, tmp_path / "parts")
    dense_index(corpus, embedder, tmp_path / "parts")
    dense_index(corpus, embedder, tmp_path / "parts")
    assert embedded == [*TEXTS[:2], "stop", TEXTS[2]]
    assert files(tmp_path / "parts") == files(tmp_path / "whole")


def test_vectors_of_a_store_serve_a_reader(encoder_model, embedder, tmp_path):
    passages = [data.Passage(f"p{i}", "Title", text) for i, text in enumerate(TEXTS)]
    store = pipelines.encode_corpus(encoder_model, data.Corpus(passages), tmp_path / "s")
    store.delete(["p0"])
    retriever = dense_index(store, embedder)
    assert (tmp_path / "s.dense" / "vectors.json").is_file()
    question = "Title: a fine romance"
    answer = gk.Reader(encoder_model, store, retriever).answer(question)
    assert [p.id for p in sorted(answer.passages, key=lambda p: p.retrieval_rank)] == ["p2", "p1"]
    store.delete(["p1"])
    with pytest.raises(FileExistsError, match="with another num_passages, fingerprint"):
        dense_index(store, embedder)


def test_another_encoder_is_refused(corpus, embedder, tmp_path):
    dense_index(corpus, embedder, tmp_path / "v")
    projected = TextEmbedder(embedder.backbone, embedder.preprocessor, projection_dim=8)
    with pytest.raises(FileExistsError, match="with another dim, encoder_fingerprint"):
        dense_index(corpus, projected, tmp_path / "v")


@pytest.mark.parametrize("kind", ["bm25", "dense"])
def test_tasks_get_the_best_rows_first(corpus, embedder, kind):
    retriever = bm25_index(corpus) if kind == "bm25" else dense_index(corpus, embedder)
    task = data.Task("qa", [data.Example("1", "qa", "a camp in Torvik", ("x",))])
    (retrieved,) = pipelines.retrieve([task], retriever, 2)
    assert retrieved.retrieved.shape == (1, 2)
    assert retrieved.retrieved[0, 0] == 1
    assert retrieved.name == "qa"


class Counting:
    """Finds what `INDEX` finds, up to so many questions."""

    fingerprint = WORDS.fingerprint
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


def test_written_rows_and_scores_are_the_retrievers(tmp_path):
    rows, scores = INDEX.search([example.question for example in TASK], 3)
    written = pipelines.write_retrieved(INDEX, TASK, WORDS, tmp_path / "qa", 3)
    np.testing.assert_array_equal(written.retrieved, rows)
    np.testing.assert_array_equal(np.load(tmp_path / "qa" / "scores.npy"), scores)
    (in_memory,) = pipelines.retrieve([TASK], INDEX, 3)
    np.testing.assert_array_equal(in_memory.retrieved, written.retrieved)


def test_interrupted_retrieval_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(MODULE, "QUESTIONS_AT_ONCE", 2)
    interrupted, rest, none = Counting(last=4), Counting(), Counting()
    with pytest.raises(KeyboardInterrupt):
        pipelines.write_retrieved(interrupted, TASK, WORDS, tmp_path / "qa", 2)
    assert not (tmp_path / "qa").exists()
    written = pipelines.write_retrieved(rest, TASK, WORDS, tmp_path / "qa", 2)
    assert rest.asked == ["word4"]
    expected, _ = INDEX.search([example.question for example in TASK], 2)
    np.testing.assert_array_equal(written.retrieved, expected)
    again = pipelines.write_retrieved(none, TASK, WORDS, tmp_path / "qa", 2)
    np.testing.assert_array_equal(again.retrieved, expected)
    assert none.asked == []
    none.settings = {"name": "another"}
    with pytest.raises(FileExistsError, match="has settings .*bm25.* Received: .*another"):
        pipelines.write_retrieved(none, TASK, WORDS, tmp_path / "qa", 2)


def test_a_retriever_of_another_corpus(tmp_path):
    other = data.Corpus([*WORDS][::-1])
    with pytest.raises(ValueError, match="`retriever` must be of `corpus`, of 6 passages"):
        pipelines.write_retrieved(INDEX, TASK, other, tmp_path / "qa", 2)
    with pytest.raises(ValueError, match="Received: 6 passages"):
        pipelines.write_retrieved(INDEX, TASK, data.Corpus(WORDS[:5]), tmp_path / "qa", 2)
    assert [*tmp_path.iterdir()] == []
