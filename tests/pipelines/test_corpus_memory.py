import keras
import numpy as np
import pytest

from glimmer_keras import data, pipelines
from tests import EAGERLY

TEXTS = ["Torvik grew from a camp.", "Mirelda Voss settled in Torvik.", "The river.", "A harp."]
LENGTHS = 8, 12, 4, 3


def values(glimmer):
    return [keras.ops.convert_to_numpy(weight).copy() for weight in glimmer.weights]


@pytest.fixture(scope="module")
def corpus():
    return data.Corpus([data.Passage(str(i), "", text) for i, text in enumerate(TEXTS)])


@pytest.fixture(scope="module")
def glimmer(make_glimmer):
    glimmer = make_glimmer(*LENGTHS, dropout=0.0, train_memory=False, tie_embedding_weights=True)
    glimmer.compile(keras.optimizers.SGD(0.1), run_eagerly=EAGERLY)
    return glimmer


@pytest.fixture(scope="module")
def store(glimmer, corpus, tmp_path_factory):
    path = tmp_path_factory.mktemp("store") / "memory"
    return pipelines.encode_corpus(glimmer, corpus, path, "float32", progress=False)


@pytest.fixture(scope="module")
def tokens(glimmer, corpus):
    examples = [data.Example(str(n), "qa", "Where?", ("Torvik",)) for n in range(2)]
    rows = np.array([[1, 0, 3], [2, -1, -1]], "int32")
    (tokens,), passages = pipelines.tokenize(
        [data.Task("qa", examples).with_retrieved(rows)], corpus, glimmer.preprocessor
    )
    return tokens, passages


def test_a_step_on_memory_is_that_on_token_ids(glimmer, store, corpus, tokens):
    task, passages = tokens
    stored = pipelines.CorpusMemory(store, corpus, glimmer)
    start = values(glimmer)
    steps = []
    for kind in (passages, stored):
        for weight, value in zip(glimmer.weights, start, strict=True):
            weight.assign(value)
        ((inputs, labels, weights),) = data.mixture([task], kind, 2).take(1)
        assert ("passage_memory" in inputs) == (kind is stored)
        losses = glimmer.train_on_batch(inputs, labels, weights, return_dict=True)
        steps.append((losses, values(glimmer)))
    (losses, weights), (other_losses, other_weights) = steps
    assert other_losses == pytest.approx(losses, rel=1e-4)
    changed = 0
    for before, one, other in zip(start, weights, other_weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
        changed += bool(np.any(before != one))
    frozen = len(glimmer.backbone.memory_encoder.weights) + 1
    assert changed == len(start) - frozen
    for weight, value in zip(glimmer.weights, start, strict=True):
        weight.assign(value)


def test_predictions_are_the_same(glimmer, store, corpus, tokens):
    task, passages = tokens
    kinds = passages, pipelines.CorpusMemory(store, corpus, glimmer)
    one, other = (pipelines.predict(glimmer, task, kind, 2, progress=False) for kind in kinds)
    assert one.answers == other.answers
    np.testing.assert_allclose(one.passage_scores, other.passage_scores, rtol=1e-4, atol=1e-4)


def test_memory_that_trains_is_refused(store, corpus, encoder_model):
    assert encoder_model.backbone.train_memory
    with pytest.raises(ValueError, match="train_memory=False: .* Received: train_memory=True"):
        pipelines.CorpusMemory(store, corpus, encoder_model)


def test_passages_that_are_not_stored_are_named(glimmer, store, corpus):
    more = data.Corpus([*corpus, data.Passage("new", "", "A sea.")])
    with pytest.raises(ValueError, match="must hold all passages of `corpus`. Received: no 'new'"):
        pipelines.CorpusMemory(store, more, glimmer)


def test_other_texts_under_the_same_ids_are_refused(glimmer, store, corpus):
    other = data.Corpus([data.Passage(passage.id, "", "A sea.") for passage in corpus])
    with pytest.raises(ValueError, match="must hold the texts of `corpus`. Received: other texts"):
        pipelines.CorpusMemory(store, other, glimmer)


def test_the_old_name_is_kept():
    with pytest.warns(DeprecationWarning, match="pipelines.CorpusMemory now"):
        assert pipelines.StoredPassages is pipelines.CorpusMemory
