import keras_hub
import pytest

from glimmer_keras.models.presets import preset_path
from glimmer_keras.models.t5_weights import quiet_masks

SIZES = {"num_layers": 2, "num_heads": 1, "hidden_dim": 8, "intermediate_dim": 8}
SIZES |= {"key_value_dim": 4, "dropout": 0.0, "tie_embedding_weights": True}


@pytest.fixture(scope="session")
def micro_t5(tmp_path_factory):
    """The folder of a T5 of two layers with the words of `tiny_world`."""
    folder = tmp_path_factory.mktemp("t5")
    tokenizer = keras_hub.models.T5Tokenizer.from_preset(preset_path("tiny_world"))
    with quiet_masks():
        t5 = keras_hub.models.T5Backbone(tokenizer.vocabulary_size(), activation="gelu", **SIZES)
    t5.save_to_preset(folder)
    tokenizer.save_to_preset(folder)
    return str(folder)
