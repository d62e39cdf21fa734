import keras_hub
import numpy as np
import pytest

import glimmer_keras as gk
from glimmer_keras import data, pipelines
from glimmer_keras.memory import MemoryStore, StoredPassage
from glimmer_keras.models import T5Encoder, TextEmbedder
from glimmer_keras.pipelines import TextVectors, dense_index

TEXTS = ["the harp of Mirelda", "a camp in Torvik", "a fine romance"]


@pytest.fixture(scope="module")
def embedder(encoder_model):
    tokenizer = encoder_model.preprocessor.tokenizer
    encoder = T5Encoder(tokenizer.vocabulary_size(), 1, 2, 8, 8, 4)
    return TextEmbedder(encoder, keras_hub.models.T5Preprocessor(tokenizer, 24))


@pytest.fixture
def corpus():
    return data.Corpus([data.Passage(str(i), "", text) for i, text in enumerate(TEXTS)])


@pytest.fixture
def three_chunks(monkeypatch):
    """Chunks of one passage."""
    monkeypatch.setattr("glimmer_keras.retrieval.vector_store.CHUNK", 1)


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


def test_interrupted_it_goes_on(corpus, embedder, tmp_path, monkeypatch, files, three_chunks):
    dense_index(corpus, embedder, tmp_path / "whole")
    call, embedded = TextVectors.__call__, []

    def counted(self, texts, after_batch):
        if len(embedded) == 2:
            embedded.append("stop")
            raise KeyboardInterrupt
        embedded.extend(texts)
        return call(self, texts, after_batch)

    monkeypatch.setattr(TextVectors, "__call__", counted)
    with pytest.raises(KeyboardInterrupt):
        dense_index(corpus, embedder, tmp_path / "parts")
    dense_index(corpus, embedder, tmp_path / "parts")
    dense_index(corpus, embedder, tmp_path / "parts")
    assert embedded == [*TEXTS[:2], "stop", TEXTS[2]]
    assert files(tmp_path / "parts") == files(tmp_path / "whole")


def test_of_a_store_and_read_from(encoder_model, embedder, tmp_path):
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


def test_tasks_get_its_rows(corpus, embedder):
    example = data.Example("e", "t", "the harp of Mirelda", ("Mirelda",))
    (task,) = pipelines.retrieve([data.Task("t", [example])], dense_index(corpus, embedder), 2)
    assert np.asarray(task.retrieved)[:, 0].tolist() == [0]


def test_another_encoder_is_refused(corpus, embedder, tmp_path):
    dense_index(corpus, embedder, tmp_path / "v")
    projected = TextEmbedder(embedder.backbone, embedder.preprocessor, projection_dim=8)
    with pytest.raises(FileExistsError, match="with another encoder_fingerprint"):
        dense_index(corpus, projected, tmp_path / "v")


def test_a_store_at_a_url_needs_a_path(embedder):
    writer = MemoryStore.create("memory://dense", hidden_dim=1, passage_length=1)
    writer.write_shard(0, np.ones((1, 1, 1)), [1], [StoredPassage("a", "", "harp")])
    writer.complete(1)
    store = MemoryStore.open("memory://dense")
    with pytest.raises(ValueError, match="Received: path=None for memory://dense"):
        dense_index(store, embedder)
    assert len(dense_index(store, embedder, "memory://dense-vectors")) == 1
