import keras
import keras_hub
import numpy as np
import pytest
from _tokenizer import train_tokenizer

import glimmer_keras as gk
from glimmer_keras.models.t5_weights import quiet_masks
from tests import EAGERLY

VOCABULARY = 40
SIZES = {
    "vocabulary_size": VOCABULARY,
    "num_layers": 3,
    "num_heads": 2,
    "hidden_dim": 8,
    "intermediate_dim": 16,
    "key_value_dim": 4,
    "dropout": 0.0,
}
# One memory layer, one of stage A, one of stage B.
GLIMMER = {"live_proportion": 2 / 3, "rerank_proportion": 1 / 2, "num_selected": 2}


def make(system="glimmer", **overrides):
    settings = {**SIZES, **(GLIMMER if system == "glimmer" else {}), **overrides}
    backbone = gk.GlimmerBackbone.from_size("tiny", system, **settings)
    model = gk.Glimmer(backbone)
    model.compile(run_eagerly=EAGERLY, sampler="greedy")
    return model


@pytest.fixture(scope="session")
def make_model():
    return make


@pytest.fixture(scope="session")
def t5():
    """A KerasHub T5 of the tests' sizes with weights large enough to matter."""
    keras.utils.set_random_seed(3)
    with quiet_masks():
        t5 = keras_hub.models.T5Backbone(
            activation="gelu", tie_embedding_weights=False, use_gated_activation=True, **SIZES
        )
    rng = np.random.default_rng(3)
    for weight in t5.weights:
        noise = rng.normal(size=weight.shape)
        if len(weight.shape) == 1:  # norms
            weight.assign(1 + 0.1 * noise)
        elif weight.path.endswith("embeddings") and weight.shape[0] == 32:  # position bias
            weight.assign(noise)
        else:
            weight.assign(noise * weight.shape[0] ** -0.5)
    return t5


@pytest.fixture(scope="session")
def glimmer(t5):
    model = gk.Glimmer.from_t5(t5, dropout=0.0, **GLIMMER)
    model.compile(run_eagerly=EAGERLY)
    return model


@pytest.fixture
def batch(rng):
    return make_batch(rng)


def make_batch(rng, rows=3, passages=4, question=5, passage=6, target=4):
    def ids(*shape):
        return rng.integers(3, VOCABULARY, shape).astype("int32")

    x = {
        "question_token_ids": ids(rows, question),
        "question_padding_mask": np.ones((rows, question), bool),
        "passage_token_ids": ids(rows, passages, passage),
        "passage_padding_mask": np.ones((rows, passages, passage), bool),
        "decoder_token_ids": ids(rows, target),
        "decoder_padding_mask": np.ones((rows, target), bool),
    }
    x["decoder_token_ids"][:, 0] = 0
    x["question_padding_mask"][1, 3:] = False
    x["passage_padding_mask"][0, 1, 4:] = False
    x["passage_padding_mask"][2, 3] = False  # a missing passage
    for name in ("question", "passage"):
        x[f"{name}_token_ids"][~x[f"{name}_padding_mask"]] = 0
    labels = ids(rows, target)
    weights = np.ones((rows, target), "float32")
    weights[1, 2:] = 0.0
    return x, labels, weights


def numpy_outputs(model, x):
    return {name: np.asarray(value) for name, value in model(x).items()}


@pytest.fixture(scope="session")
def outputs():
    return numpy_outputs


@pytest.fixture(scope="session")
def tokenizer():
    words = "who wrote fidelio beethoven the opera was first given in vienna a sonata moonlight"
    return train_tokenizer([words, *words.split()] * 5, VOCABULARY)
