import math

import numpy as np
import pytest

import glimmer_keras as gk
from glimmer_keras.models.presets import FOLDER, PRESETS, bundled_vocabulary, preset_path
from glimmer_keras.models.tensor_files import TensorFiles

PASSAGES = ["Mirelda Voss: Voss later settled in Torvik.", "Arvel: The river."]


def test_every_bundled_folder_is_listed_with_its_size():
    assert {path.name for path in FOLDER.iterdir()} == set(gk.Glimmer.presets) == set(PRESETS)
    for name, preset in gk.Glimmer.presets.items():
        stem = "model" if (FOLDER / name / "model.safetensors").is_file() else "glimmer"
        shapes = TensorFiles(FOLDER / name, stem).shapes.values()
        assert preset["metadata"]["params"] == sum(math.prod(shape) for shape in shapes)
        assert preset["metadata"]["path"] == "glimmer"
        assert bundled_vocabulary(name).is_file()


def test_a_name_is_a_folder_and_all_else_stays():
    assert preset_path("tiny_world") == str(FOLDER / "tiny_world")
    for other in ("t5_1.1_base", "./tiny_world", "hf://google/flan-t5-base"):
        assert preset_path(other) == other


def test_a_bundled_name_gives_a_glimmer_that_answers():
    bundled = gk.Glimmer.from_preset("tiny_world")
    counts = bundled.backbone.layer_counts
    assert counts == {"memory": 1, "stage A": 2, "stage B": 1, "decoder": 4}
    assert (bundled.backbone.num_selected, bundled.backbone.dropout) == (2, 0.0)
    assert bundled.preprocessor.passage_length == 64
    bundled.compile(run_eagerly=True)
    texts = {"questions": "Where does Mirelda Voss live?", "passages": PASSAGES}
    assert bundled.generate(texts)["answers"] == "Torvik"


def test_arguments_are_those_of_any_preset():
    with pytest.raises(ValueError, match="Received: .'num_selected'"):
        gk.Glimmer.from_preset("tiny_world", num_selected=1)
    settings = {"dtype": "bfloat16", "name": "named", "preprocessor": None}
    fresh = gk.Glimmer.from_preset("tiny_world", load_weights=False, **settings)
    assert (fresh.preprocessor, fresh.backbone.name) == (None, "named")
    assert fresh.backbone.dtype_policy.name == "bfloat16"
    loaded = gk.Glimmer.from_preset("tiny_world")
    one, other = (
        np.asarray(model.backbone.token_embedding.embeddings, "float32")
        for model in (fresh, loaded)
    )
    assert one.std() > 0.5
    assert not np.allclose(one, other, atol=0.1)


def test_a_folder_of_export_to_transformers_is_a_preset(tmp_path):
    written = gk.Glimmer.from_preset("tiny_world")
    written.export_to_transformers(tmp_path / "mine")
    loaded = gk.Glimmer.from_preset(str(tmp_path / "mine"))
    for one, other in zip(written.weights, loaded.weights, strict=True):
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other))
