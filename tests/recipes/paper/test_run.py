import dataclasses
import json
from itertools import count

import keras
import numpy as np
import pytest

from recipes.paper.cells import glimmer, lumen
from recipes.paper.data import load_data
from recipes.paper.model import make_model
from recipes.paper.run import best_of, run_cell
from tests import EAGERLY


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


def test_a_killed_run_goes_on(micro_scale, tmp_path, monkeypatch):
    """Killed while it scores, within a step and while it scores the last, it ends as unbroken."""
    scale = dataclasses.replace(micro_scale, save_every=1, dropout=0.2)
    cell = dataclasses.replace(lumen(scale, 1), compile={"run_eagerly": EAGERLY})
    monkeypatch.setattr("_world_tasks.TASKS", ("qa", "slots"))
    data = load_data(scale, tmp_path / "data", None)
    settings = {"seed": 5, "best_checkpoint": True}
    monkeypatch.setattr("_paper_run.score", weighed)
    unbroken = run_cell(cell, scale, data, settings, tmp_path / "unbroken")

    scored, steps = count(1), count(1)

    def interrupt(number, counter):
        if next(counter) == number:
            raise KeyboardInterrupt

    def killed_in_score(*args):
        interrupt(number, scored)
        return weighed(*args)

    def killed_in_step():
        interrupt(number, steps)

    folder = tmp_path / "killed"
    monkeypatch.setattr("_paper_run.score", killed_in_score)
    number = 1  # the score of step 1
    with pytest.raises(KeyboardInterrupt):
        run_cell(cell, scale, data, settings, folder)
    assert [set(s) for s in kept(folder)] == [{"step", "seconds", "losses"}]
    # As if it had been killed before that was logged.
    (folder / "stretches.json").unlink()
    number = 2  # The first step is only shown.
    scored = count(number + 1)
    with pytest.raises(KeyboardInterrupt):
        run_cell(cell, scale, data, settings, folder, killed_in_step)
    assert [("scores" in stretch) for stretch in kept(folder)] == [True]
    scored = count(number)  # the next
    with pytest.raises(KeyboardInterrupt):
        run_cell(cell, scale, data, settings, folder)
    assert [("scores" in stretch) for stretch in kept(folder)] == [True, False]
    resumed = run_cell(cell, scale, data, settings, folder)
    for name in ("step", "scores", "average", "layers"):
        assert resumed[name] == unbroken[name]
    for one, other in zip(resumed["training"], unbroken["training"], strict=True):
        assert one["scores"] == other["scores"]
    losses = [[stretch["losses"] for stretch in run["training"]] for run in (resumed, unbroken)]
    assert losses[0][0] == {}  # not known any more
    assert losses[0][1:] == losses[1][1:]


def kept(folder):
    return json.loads((folder / "stretches.json").read_text())


def test_the_best_checkpoint_is_that_of_the_tasks_trained_on():
    stretches = [
        {"step": 1},
        {"step": 2, "scores": {"qa": 30.0, "slots": 90.0}},
        {"step": 3, "scores": {"qa": 40.0, "slots": 10.0}},
        {"step": 4, "scores": {"qa": 40.0, "slots": 20.0}},
    ]
    assert best_of(stretches, ["qa"])["step"] == 3
    assert best_of(stretches, ["qa", "slots"])["step"] == 2
