import json

import numpy as np
import pytest

import glimmer_keras as gk
from glimmer_keras.models import t5_weights
from glimmer_keras.models.presets import BACKBONES, FOLDER, PREPROCESSORS, PRESETS, preset_path

PASSAGES = ["Mirelda Voss: Voss later settled in Torvik.", "Arvel: The river."]


def test_every_bundled_folder_is_listed_with_its_size():
    assert {path.name for path in FOLDER.iterdir()} == set(gk.Glimmer.presets) == set(PRESETS)
    assert set(PRESETS) == set(BACKBONES) == set(PREPROCESSORS)
    for name, preset in gk.Glimmer.presets.items():
        written = json.loads((FOLDER / name / "metadata.json").read_text(encoding="utf-8"))
        assert preset["metadata"]["params"] == written["parameter_count"]
        assert preset["metadata"]["path"] == "t5"


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


def test_arguments_are_those_of_any_preset(t5, monkeypatch):
    with pytest.raises(ValueError, match="Received: .'num_selected'"):
        gk.Glimmer.from_preset("tiny_world", num_selected=1)
    opened = []
    monkeypatch.setattr(t5_weights, "_open", lambda *args, **kw: opened.append(args) or (t5, None))
    settings = {"dtype": "bfloat16", "name": "named", "preprocessor": None}
    model = gk.Glimmer.from_preset("tiny_world", load_weights=False, **settings)
    assert opened == [("tiny_world", False)]
    assert (model.preprocessor, model.backbone.name) == (None, "named")
    assert model.backbone.dtype_policy.name == "bfloat16"
    embeddings = np.asarray(t5.token_embedding.embeddings)
    assert not np.allclose(np.asarray(model.backbone.token_embedding.embeddings), embeddings)
