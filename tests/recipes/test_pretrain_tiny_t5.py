import functools
import json

import glimmer_keras as gk
from recipes import pretrain_tiny_t5
from tests import EAGERLY


def test_tiny_run_writes_a_preset_that_loads(tmp_path, monkeypatch):
    # The first and the last phase: one passage, and reranking of eight.
    monkeypatch.setattr(pretrain_tiny_t5, "PHASES", pretrain_tiny_t5.PHASES[::3])
    monkeypatch.setattr(pretrain_tiny_t5, "WORLD_SEEDS", pretrain_tiny_t5.WORLD_SEEDS[:1])
    compiled = functools.partialmethod(gk.Glimmer.compile, run_eagerly=EAGERLY)
    monkeypatch.setattr(gk.Glimmer, "compile", compiled)
    pretrain_tiny_t5.main(["--output", str(tmp_path), "--shorten", "500", "--people", "60"])
    report = json.loads((tmp_path / "report.json").read_text())
    assert [phase["steps"] for phase in report["phases"]] == [1, 3]
    reader = gk.Glimmer.from_t5(str(tmp_path), num_selected=1)
    assert reader.backbone.hidden_dim == 64
    out = reader.generate({"questions": "Recite Torvik", "passages": ["Torvik: a camp."]})
    assert isinstance(out["answers"], str)


def test_recitals_hold_every_order_of_the_facts():
    from glimmer_keras.data import Passage

    example = pretrain_tiny_t5.recital(
        Passage("1", "Torvik", "x"), [("year", "1863"), ("crop", "hops")]
    )
    assert example.answers == ("year 1863 ; crop hops", "crop hops ; year 1863")
