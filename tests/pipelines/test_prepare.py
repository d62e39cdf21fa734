import hashlib

import numpy as np

import glimmer_keras as gk
from glimmer_keras import data, pipelines
from glimmer_keras.retrieval import BM25Retriever


def test_retrieve_sets_the_best_rows_first():
    texts = ["the harp of Mirelda", "a camp in Torvik", "a fine romance"]
    corpus = data.Corpus([data.Passage(str(i), "", text) for i, text in enumerate(texts)])
    task = data.Task("qa", [data.Example("1", "qa", "Who founded Torvik?", ("x",))])
    (found,) = pipelines.retrieve([task], BM25Retriever.build(corpus), 2)
    assert found.retrieved.shape == (1, 2)
    assert found.retrieved[0, 0] == 1
    assert found.name == "qa"


def test_token_spec_is_the_tokenizer():
    tokenizer = gk.Glimmer.from_t5("tiny_world", load_weights=False).preprocessor.tokenizer
    spec = pipelines.token_spec(gk.GlimmerPreprocessor(tokenizer, 8, 8, 8))
    assert spec.fingerprint == hashlib.sha256(tokenizer.proto).hexdigest()
    assert (spec.pad_id, spec.end_id, spec.start_id) == (0, 1, 0)
    np.testing.assert_array_equal(spec.tokenize(["Torvik"])[0], tokenizer("Torvik"))
