import random

import pytest

import glimmer_keras as gk

LENGTH = 24


@pytest.fixture(scope="session")
def encoder_model():
    """A tiny reader with a preprocessor; its memory encoder has two layers."""
    glimmer = gk.Glimmer.from_t5("tiny_world", load_weights=False, num_selected=2)
    glimmer.preprocessor = gk.GlimmerPreprocessor(glimmer.preprocessor.tokenizer, 16, LENGTH, 6)
    return glimmer


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
