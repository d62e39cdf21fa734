import functools

import numpy as np
import pytest

from recipes.benchmarks import training
from recipes.worlds.tasks import world_tasks

SHAPES = ["--size", "tiny", "--k", "3", "--m", "1", "--question-length", "2"]
SHAPES += ["--passage-length", "5", "--answer-length", "2"]
# In d^2, with L = 2 and no teacher: FiD 3 5 2 14 + 2 2 14; GLIMMER is 136 of one answer, and
# its memory of 3 passages and the question is 3 3 4/3 12 + 2 4/3 12.
FID, STUDENT = 3 * 476, 3 * (136 + 144 + 32)


@pytest.mark.once_on("tensorflow")
def test_the_report(run, peer_python, monkeypatch):
    # A peer that takes 1000 seconds a step.
    peer = peer_python("""echo '{}'\nwhile read line; do echo '{"step": 1000.0}'; done""")
    peaks = {False: 20.0, True: 10.0}
    monkeypatch.setattr(
        training,
        "run_part",
        lambda module, settings: {"peak": peaks[settings["rematerialize"]]},
    )
    small_world = functools.partial(world_tasks, people=40, places=10, works=10)
    monkeypatch.setattr(training.parts, "world_tasks", lambda **world: small_world())
    # Without dropout, whose random numbers take XLA most of the compiling.
    settings = ["--batch", "2", "--repeats", "2", "--dropout", "0", "--jit", "off", "--memory"]
    (case,) = run(training, [*SHAPES, *settings, *peer])["cases"]
    for system in case["systems"].values():
        assert 0 < system["seconds"]["min"] <= system["seconds"]["median"]
        assert system["share_of_peak"] > 0
        assert np.isfinite(system["loss"])
        assert system["memory"] == {"false": {"peak": 20.0}, "true": {"peak": 10.0}}
    fid = case["systems"]["fid"]["seconds"]["median"]
    assert case["peer"]["ours_faster"]["fid"]["measured"] == pytest.approx(1000.0 / fid)
    supply = case["input"]["batch_seconds"]["median"]
    assert case["input"]["fid"] == pytest.approx(fid / supply)
    row = case["ratio"]
    # The teacher: stage B over 2 passages, cross-attention to 3, and a decoder for each.
    assert row["by_formulas"] == pytest.approx(FID / (STUDENT + 60 + 60 + 3 * 56))
    assert row["over_formulas"] == pytest.approx(row["measured"] / row["by_formulas"])
    assert row["lowest"] <= row["highest"]


@pytest.mark.parametrize(("dropout", "stage_b"), [("0.1", 90), ("0", 60)])
def test_formulas_by_hand(tiny_is_small, dropout, stage_b):
    options = training.parse([*SHAPES, "--dropout", dropout])
    assert training.formulas("tiny", "fid", options) == pytest.approx(64 * FID)
    expected = STUDENT + stage_b + 60 + 3 * 56
    assert training.formulas("tiny", "glimmer", options) == pytest.approx(64 * expected)


def test_all_passages_selected_leave_the_teacher_no_stage_b(tiny_is_small):
    options = training.parse([*SHAPES[:4], "--m", "3", *SHAPES[6:], "--dropout", "0"])
    lumen = 3 * (120 + 60 + 56 + 144 + 32)
    assert training.formulas("tiny", "glimmer", options) == pytest.approx(
        64 * (lumen + 60 + 3 * 56)
    )


@pytest.mark.slow  # in a process of its own
def test_memory_of_steps():
    options = training.parse([*SHAPES, "--dropout", "0", "--jit", "off"])
    assert training.step_memory("tiny", "glimmer", 2, True, options)["peak"] > 0
