import keras_hub
import pytest

import glimmer_keras as gk
from glimmer_keras.models.presets import bundled_vocabulary

SIZES = {"num_layers": 2, "num_heads": 1, "hidden_dim": 8, "intermediate_dim": 8}
SIZES |= {"key_value_dim": 4, "dropout": 0.0, "tie_embedding_weights": True}


@pytest.fixture(scope="session")
def micro_t5(tmp_path_factory):
    """The folder of a T5 of two layers with the words of `tiny_world`."""
    folder = tmp_path_factory.mktemp("t5") / "t5"
    tokenizer = keras_hub.models.T5Tokenizer(bundled_vocabulary("tiny_world").read_bytes())
    size = tokenizer.vocabulary_size()
    reader = gk.Glimmer.from_size("tiny", "fid", vocabulary_size=size, activation="gelu", **SIZES)
    reader.preprocessor = gk.GlimmerPreprocessor(tokenizer)
    reader.export_to_transformers(folder)
    return str(folder)
