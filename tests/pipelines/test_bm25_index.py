import logging

import numpy as np
import pytest

from glimmer_keras import data, pipelines
from glimmer_keras.memory import MemoryStore, StoredPassage

TEXTS = ["the harp of Mirelda", "a camp in Torvik", "a fine romance"]


@pytest.fixture
def store(tmp_path):
    writer = MemoryStore.create(tmp_path / "s", hidden_dim=2, passage_length=3)
    passages = [StoredPassage(f"p{i}", "", text) for i, text in enumerate(TEXTS)]
    writer.write_shard(0, np.ones((3, 3, 2)), [3, 2, 1], passages)
    writer.complete(1)
    return MemoryStore.open(tmp_path / "s")


def test_it_is_kept_beside_the_store_and_built_again_when_that_changes(store, tmp_path, caplog):
    index = pipelines.bm25_index(store)
    assert index.search(["Torvik"], 1)[0].tolist() == [[1]]
    made = (tmp_path / "s.bm25" / "manifest.json").stat().st_mtime_ns
    assert pipelines.bm25_index(store).search(["Torvik"], 1)[0].tolist() == [[1]]
    assert (tmp_path / "s.bm25" / "manifest.json").stat().st_mtime_ns == made
    store.delete(["p0"])
    with caplog.at_level(logging.INFO, logger="glimmer_keras"):
        index = pipelines.bm25_index(store)
    assert "s.bm25 is not of the passages that are there now" in caplog.text
    assert (len(index), index.search(["Torvik"], 1)[0].tolist()) == (2, [[0]])


def test_of_a_corpus(tmp_path):
    corpus = data.Corpus([data.Passage(str(i), "", text) for i, text in enumerate(TEXTS)])
    assert pipelines.bm25_index(corpus).search(["romance"], 1)[0].tolist() == [[2]]
    assert [*tmp_path.iterdir()] == []
    pipelines.bm25_index(corpus, tmp_path / "index")
    assert pipelines.bm25_index(corpus, tmp_path / "index").fingerprint == corpus.fingerprint


def test_nothing_else_is_written_over(store, tmp_path):
    with pytest.raises(ValueError, match="must be an index, or not be there. Received: path='"):
        pipelines.bm25_index(store, tmp_path / "s")
    assert MemoryStore.open(tmp_path / "s").verify() == []


def test_a_store_at_a_url_needs_a_path():
    writer = MemoryStore.create("memory://index", hidden_dim=1, passage_length=1)
    writer.write_shard(0, np.ones((1, 1, 1)), [1], [StoredPassage("a", "", "harp")])
    writer.complete(1)
    with pytest.raises(ValueError, match="Received: path=None for memory://index"):
        pipelines.bm25_index(MemoryStore.open("memory://index"))
