import functools

import keras_hub
import pytest

import glimmer_keras as gk
from glimmer_keras.models.presets import preset_path
from glimmer_keras.models.t5_weights import quiet_masks
from glimmer_keras.training import freed_memory
from tests import EAGERLY

SIZES = {"num_layers": 2, "num_heads": 1, "hidden_dim": 8, "intermediate_dim": 8}
SIZES |= {"key_value_dim": 4, "dropout": 0.0, "tie_embedding_weights": True}


@pytest.fixture(autouse=True)
def freed_memory_goes_back(monkeypatch):
    """Unlike a recipe, the process of the tests does more than one thing."""
    monkeypatch.setattr(freed_memory, "_SETTINGS", ())


@pytest.fixture
def eager(monkeypatch):
    """Models that are run a few times only are not compiled."""
    compiled = functools.partialmethod(gk.Glimmer.compile, run_eagerly=EAGERLY)
    monkeypatch.setattr(gk.Glimmer, "compile", compiled)


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
