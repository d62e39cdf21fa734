import numpy as np

import glimmer_keras as gk
from recipes.pretraining import grow as module
from recipes.pretraining.grow import grow
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
