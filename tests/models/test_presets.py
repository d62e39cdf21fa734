import keras_hub
import numpy as np
import pytest

import glimmer_keras as gk
from glimmer_keras.models.presets import BACKBONES, FOLDER, PREPROCESSORS, PRESETS, preset_path

TEXTS = {"questions": ["where does Mirelda live?"], "passages": [["Mirelda lives in Torvik."] * 3]}


@pytest.fixture(scope="module")
def bundled():
    return gk.Glimmer.from_preset("tiny_world")


def test_every_bundled_folder_is_listed():
    assert {path.name for path in FOLDER.iterdir()} == set(gk.Glimmer.presets) == set(PRESETS)
    assert set(PRESETS) == set(BACKBONES) == set(PREPROCESSORS)
    assert gk.Glimmer.presets["tiny_world"]["metadata"]["path"] == "t5"


def test_a_name_is_a_folder_and_all_else_stays():
    assert preset_path("tiny_world") == str(FOLDER / "tiny_world")
    for other in ("t5_1.1_base", "./tiny_world", "hf://google/flan-t5-base"):
        assert preset_path(other) == other


def test_a_bundled_name_gives_the_glimmer_of_its_pretraining(bundled):
    counts = bundled.backbone.layer_counts
    assert counts == {"memory": 1, "stage A": 2, "stage B": 1, "decoder": 4}
    assert (bundled.backbone.num_selected, bundled.backbone.dropout) == (2, 0.0)
    assert bundled.preprocessor.passage_length == 64
    t5 = gk.Glimmer.from_t5("tiny_world", **BACKBONES["tiny_world"])
    for ours, theirs in zip(bundled.weights, t5.weights, strict=True):
        if "passage_scorer" not in ours.path:
            np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))
    parameters = keras_hub.models.T5Backbone.from_preset(str(FOLDER / "tiny_world")).count_params()
    assert PRESETS["tiny_world"]["metadata"]["params"] == parameters


def test_it_answers(bundled):
    assert bundled.generate(TEXTS)["answers"] == ["Torvik"]


def test_arguments_are_those_of_any_preset():
    with pytest.raises(ValueError, match="Received: .'num_selected'"):
        gk.Glimmer.from_preset("tiny_world", num_selected=1)
    model = gk.Glimmer.from_preset(
        "tiny_world", load_weights=False, dtype="bfloat16", preprocessor=None
    )
    assert model.preprocessor is None
    assert model.backbone.dtype_policy.name == "bfloat16"
    assert np.asarray(model.backbone.token_embedding.embeddings).any()
