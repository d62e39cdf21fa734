import dataclasses

import keras_hub
import pytest

from glimmer_keras.models.t5_weights import PRESETS, quiet_masks
from recipes.paper.comparisons import comparisons
from recipes.paper.scale import TINY

MICRO = {"num_layers": 2, "num_heads": 1, "hidden_dim": 8, "intermediate_dim": 8}
MICRO |= {"key_value_dim": 4, "dropout": 0.0, "tie_embedding_weights": True}


@pytest.fixture(scope="session")
def micro_scale(tmp_path_factory):
    """A world of 60 entities, and a T5 of two layers in a folder."""
    folder = tmp_path_factory.mktemp("t5")
    tokenizer = keras_hub.models.T5Tokenizer.from_preset(str(PRESETS / "tiny_world"))
    with quiet_masks():
        t5 = keras_hub.models.T5Backbone(tokenizer.vocabulary_size(), activation="gelu", **MICRO)
    t5.save_to_preset(folder)
    tokenizer.save_to_preset(folder)
    return dataclasses.replace(
        TINY,
        t5=str(folder),
        world={"seed": 0, "people": 40, "places": 10, "works": 10},
        test_questions=3,
        batch_size=2,
        steps=2,
        answer_length=3,
        num_passages=3,
        num_selected=1,
        live_proportion=1 / 2,
        figure3_passages=(3,),
        figure5_passages=3,
    )


@pytest.fixture
def made_up_times():
    """A function from a scale to times as `measured_times` has them."""

    def make(scale):
        cells = [row.label for row in comparisons(scale)[0].rows]

        def times(ms):
            rounds = [ms / 1000] * 10
            return {"rounds": rounds, "min": rounds[0], "median": rounds[0], "max": rounds[0]}

        seconds = {label: times(10 - number) for number, label in enumerate(cells)}
        return {
            "settings": {"rounds": 10},
            "machine": {"cpu": "abacus", "cores": 2, "devices": ["cpu"], "load_before": 0.0},
            "seconds": {"1": seconds},
            "work": {
                label: {"exact": 2e6, "formula": 2e6 if label.startswith("GLIMMER") else 1e6}
                for label in cells
            },
        }

    return make
