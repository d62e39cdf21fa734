import json

import keras
import numpy as np

import glimmer_keras as gk
from recipes.pretraining import grow as module
from recipes.pretraining.grow import grow, widen
from tests import read


def test_copies_that_add_nothing_change_nothing(tmp_path, make_glimmer, monkeypatch):
    fid = {"num_selected": None, "live_proportion": 1.0, "question_in_decoder": False}
    shallow = make_glimmer(8, 12, 4, 1, num_layers=2, **fid)
    shallow.export_to_transformers(tmp_path / "shallow")
    monkeypatch.setattr(module, "SHARE", 0.0)
    grow(tmp_path / "shallow", tmp_path / "deep", 3)
    deep = gk.Glimmer.from_t5(str(tmp_path / "deep"), "fid", dropout=0.0)
    assert deep.backbone.num_layers == 5
    assert deep.backbone.decoder.num_layers == 1
    x = shallow.preprocessor({"questions": ["who"], "passages": [["Torvik"]], "answers": ["a"]})[0]
    np.testing.assert_allclose(
        np.asarray(read(deep, x)["logits"]), np.asarray(read(shallow, x)["logits"]), atol=1e-5
    )
    blocks = deep.backbone.stage_b.blocks
    for block in blocks[1:4]:
        for ours, theirs in zip(block.weights, blocks[0].weights, strict=True):
            same = "output_projection" not in ours.path and "down" not in ours.path
            assert np.array_equal(np.asarray(ours), np.asarray(theirs)) == same


def test_wider_reader_reads_as_before_and_learns_in_its_new_units(tmp_path, make_glimmer):
    fid = {"num_selected": None, "live_proportion": 1.0, "question_in_decoder": False}
    narrow = make_glimmer(8, 12, 4, 1, num_layers=2, **fid)
    narrow.export_to_transformers(tmp_path / "narrow")
    head_dim, intermediate_dim = (
        json.loads((tmp_path / "narrow" / "config.json").read_text())[name]
        for name in ("d_kv", "d_ff")
    )
    widen(tmp_path / "narrow", tmp_path / "wide", head_dim + 3, intermediate_dim + 5, 0)
    wide = gk.Glimmer.from_t5(str(tmp_path / "wide"), "fid", dropout=0.0)
    assert (wide.backbone.key_value_dim, wide.backbone.intermediate_dim) == (
        head_dim + 3,
        intermediate_dim + 5,
    )
    batch = narrow.preprocessor({"questions": ["who"], "passages": [["Torvik"]], "answers": ["a"]})
    np.testing.assert_allclose(
        np.asarray(read(wide, batch[0])["logits"]),
        np.asarray(read(narrow, batch[0])["logits"]),
        atol=1e-5,
    )
    wide.compile(keras.optimizers.SGD(1.0))
    before = [np.asarray(weight) for weight in wide.trainable_weights]
    for _ in range(2):
        wide.train_on_batch(*batch)
    for weight, old in zip(wide.trainable_weights, before, strict=True):
        if "position" not in weight.path and weight.ndim == 2 and "embedding" not in weight.path:
            moved = np.asarray(weight) != old
            assert moved.any(0).all(), weight.path
            assert moved.any(1).all(), weight.path
