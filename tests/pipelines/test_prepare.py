import hashlib

import numpy as np
import pytest

from glimmer_keras.data import Corpus, Example, Passage, Provenance, Task
from glimmer_keras.pipelines import TrainingData, token_spec, training_data

GOLD = ((Provenance(passage_id="0"),),)


@pytest.fixture(scope="module")
def preprocessor(make_glimmer):
    return make_glimmer(6, 8, 3, 2).preprocessor


@pytest.fixture
def data():
    corpus = Corpus([Passage(str(i), "", text) for i, text in enumerate(["harp", "sea", "camp"])])
    train = Task("qa", [Example("1", "qa", "harp?", ("a",), GOLD), Example("2", "qa", "sea?")])
    dev = Task("qa", [Example("3", "qa", "camp?", ("b",))])
    return corpus, train, dev


def prepare(folder, data, preprocessor, **options) -> TrainingData:
    corpus, train, dev = data
    return training_data(folder, corpus, [train], [dev], 2, preprocessor, **options)


def test_tasks_are_retrieved_and_tokenised(tmp_path, data, preprocessor):
    found = prepare(tmp_path, data, preprocessor)
    (train,), (dev,) = found.train, found.dev
    assert train.retrieved[:, 0].tolist() == [0, 1]
    assert dev.retrieved[:, 0].tolist() == [2]
    np.testing.assert_array_equal(found.train_tokens[0].retrieved, train.retrieved)
    assert [len(found.passages), len(found.dev_tokens[0])] == [3, 1]
    assert found.kept == {}


def test_what_is_there_is_read(tmp_path, data, preprocessor, monkeypatch):
    first = prepare(tmp_path, data, preprocessor)
    monkeypatch.setattr("glimmer_keras.retrieval.BM25Retriever.search", None)
    again = prepare(tmp_path, data, preprocessor)
    np.testing.assert_array_equal(again.train[0].retrieved, first.train[0].retrieved)


def test_rows_that_a_task_has_are_kept(tmp_path, data, preprocessor):
    corpus, train, dev = data
    train = train.with_retrieved(np.array([[2, 1], [2, 0]], "int32"))
    dev = dev.with_retrieved(np.array([[0, 1]], "int32"))
    found = prepare(tmp_path, (corpus, train, dev), preprocessor)
    assert found.train[0].retrieved.tolist() == [[2, 1], [2, 0]]
    assert not (tmp_path / "index").exists()


def test_only_what_can_be_learned_is_trained_on(tmp_path, data, preprocessor):
    found = prepare(tmp_path, data, preprocessor, filter_train=True)
    assert [example.id for example in found.train[0]] == ["1"]
    assert len(found.train_tokens[0]) == len(found.dev[0]) == 1
    assert found.kept == {"qa": {"gold": 1, "overlap": 0, "answer": 0, "dropped": 1}}


def test_token_spec_is_the_tokenizer(preprocessor):
    tokenizer = preprocessor.tokenizer
    spec = token_spec(preprocessor)
    assert spec.fingerprint == hashlib.sha256(tokenizer.proto).hexdigest()
    assert (spec.pad_id, spec.end_id, spec.start_id) == (0, 1, 0)
    np.testing.assert_array_equal(spec.tokenize(["Torvik"])[0], tokenizer("Torvik"))
