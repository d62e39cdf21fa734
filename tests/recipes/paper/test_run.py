import dataclasses
import json
from itertools import count

import keras
import numpy as np
import pytest

from recipes.paper import run
from recipes.paper.cells import glimmer, lumen
from recipes.paper.data import load_data
from recipes.paper.model import make_model
from recipes.paper.run import Scored, run_cell
from recipes.worlds import tasks
from tests import EAGERLY


@pytest.mark.once_on("jax")
def test_starts(micro_scale):
    keras.utils.set_random_seed(1)
    cell = glimmer(micro_scale, start="scorer at zero", reranker="separate")
    usual = make_model(cell, micro_scale).backbone
    assert not np.any(usual.passage_scorer.kernel)
    cell = glimmer(micro_scale, start="reranker from scratch", reranker="separate")
    scratch = make_model(cell, micro_scale).backbone

    def equal(part):
        pairs = zip(getattr(scratch, part).weights, getattr(usual, part).weights, strict=True)
        return [bool(np.all(np.asarray(a) == np.asarray(b))) for a, b in pairs]

    assert all(equal("stage_b"))
    assert all(equal("memory_encoder"))
    kernels = [len(weight.shape) > 1 for weight in scratch.stage_a.weights]
    assert [not same for same in equal("stage_a")] == kernels  # norms start at 1


def weighed(glimmer, cell, data, scale):
    """In place of `score`: other weights, other scores."""
    qa, slots = (float(np.abs(weight).sum()) for weight in glimmer.get_weights()[:2])
    scores = {"qa": qa, "slots": slots}
    return {"scores": scores, "average": (qa + slots) / 2, "recall": {}, "correct": {}}


@pytest.mark.once_on("jax")
def test_a_stopped_run_goes_on(micro_scale, tmp_path, monkeypatch):
    """Stopped while it scores the last checkpoint, it ends as an unbroken one does."""
    scale = dataclasses.replace(micro_scale, save_every=1, dropout=0.2)
    cell = dataclasses.replace(lumen(scale, 1), compile={"run_eagerly": EAGERLY})
    monkeypatch.setattr(tasks, "TASKS", ("qa", "slots"))
    data = load_data(scale, tmp_path / "data", None)
    settings = {"seed": 5, "best_checkpoint": True}
    monkeypatch.setattr(run, "score", weighed)
    unbroken = run_cell(cell, scale, data, settings, tmp_path / "unbroken")
    calls, folder, advanced = count(1), tmp_path / "stopped", []

    def stopped(*args):
        if next(calls) == 2:
            raise KeyboardInterrupt
        return weighed(*args)

    monkeypatch.setattr(run, "score", stopped)
    with pytest.raises(KeyboardInterrupt):
        run_cell(cell, scale, data, settings, folder, advanced.append)
    assert list(json.loads((folder / "scores.json").read_text())) == ["1"]
    assert advanced == [0, 1, 1]
    resumed = run_cell(cell, scale, data, settings, folder, advanced.append)
    assert advanced == [0, 1, 1, 1, 1]
    for name in ("step", "scores", "average", "layers", "parameters"):
        assert resumed[name] == unbroken[name]
    losses = [[row["loss"] for row in each["training"]] for each in (resumed, unbroken)]
    assert losses[0] == losses[1]
    assert [row["step"] for row in resumed["training"]] == [1, 2]


def test_the_best_checkpoint_is_that_of_the_tasks_trained_on(tmp_path):
    kept = {
        "2": {"scores": {"qa": 30.0, "slots": 90.0}},
        "3": {"scores": {"qa": 40.0, "slots": 10.0}},
        "10": {"scores": {"qa": 40.0, "slots": 20.0}},
    }
    (tmp_path / "scores.json").write_text(json.dumps(kept))
    for trained_on, best in ((["qa"], 3), (["qa", "slots"], 2)):
        assert Scored(tmp_path / "scores.json", None, trained_on).best()["step"] == best
