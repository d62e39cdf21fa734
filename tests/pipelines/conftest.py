import random

import keras_hub
import pytest

import glimmer_keras as gk

LENGTH = 24


@pytest.fixture(scope="session")
def encoder_model(make_glimmer):
    """A tiny reader with a preprocessor; its memory encoder has two layers."""
    return make_glimmer(16, LENGTH, 6, num_layers=4, live_proportion=1 / 2)


@pytest.fixture(scope="session")
def embedder(encoder_model):
    """Embeds texts in 6 dimensions; all tests of vectors share it, as it is compiled once."""
    tokenizer = encoder_model.preprocessor.tokenizer
    encoder = gk.models.T5Encoder(tokenizer.vocabulary_size(), 1, 2, 8, 8, 4)
    preprocessor = keras_hub.models.T5Preprocessor(tokenizer, LENGTH)
    return gk.models.TextEmbedder(encoder, preprocessor, 6)


@pytest.fixture(scope="session")
def passages():
    """Passages of 1 to about 40 tokens, some of them longer than the model takes."""
    rng = random.Random(0)
    words = ["Torvik", "grew", "from", "a", "camp", "that", "was", "made", "in", "1863", "harp"]
    return [
        gk.data.Passage(
            f"p{i}", "Torvik" * (i % 3), " ".join(rng.choices(words, k=i % 9 * 3 + i % 3))
        )
        for i in range(22)
    ]
