import importlib.util
import json

import benchmark_training
import keras
import numpy as np
import pytest
from _matrix_work import Work, training_work
from benchmark_training import formulas, main, parse, start_peer, step_memory

from glimmer_keras import GlimmerBackbone
from glimmer_keras.models.sizes import T5_SIZES

SHAPES = ["--size", "tiny", "--k", "3", "--m", "1", "--question-length", "2"]
SHAPES += ["--passage-length", "5", "--answer-length", "2"]
SMALL = {"num_layers": 2, "num_heads": 2, "hidden_dim": 8, "intermediate_dim": 12}
SMALL |= {"key_value_dim": 3, "vocabulary_size": 10}
# In d^2, with L = 2 and no teacher: FiD 3 5 2 14 + 2 2 14; GLIMMER is 136 of one answer, and
# its memory of 3 passages and the question is 3 3 4/3 12 + 2 4/3 12.
FID, STUDENT = 3 * 476, 3 * (136 + 144 + 32)


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setitem(T5_SIZES, "tiny", SMALL)


def test_the_report(small, tmp_path, monkeypatch):
    python = tmp_path / "python"  # of a peer that takes 1000 seconds a step
    steps = """while read line; do echo '{"step": 1000.0}'; done"""
    python.write_text(f"#!/bin/sh\necho '{{}}'\n{steps}\n")
    python.chmod(0o755)
    peaks = {False: 20.0, True: 10.0}
    monkeypatch.setattr(
        benchmark_training,
        "step_memory",
        lambda size, system, batch, remat, options: {"peak": peaks[remat]},
    )
    # Without dropout, whose random numbers take XLA most of the compiling.
    rounds = ["--batch", "2", "--repeats", "2", "--dropout", "0"]
    rounds += ["--memory", "--peer", "hf", "--peer-python", str(python)]
    found = main([*SHAPES, *rounds, "--output", str(tmp_path)])
    written = tmp_path / f"training-{keras.backend.backend()}.json"
    assert json.loads(written.read_text(encoding="utf-8")) == json.loads(json.dumps(found))
    (case,) = found["cases"]
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
def test_formulas_by_hand(small, dropout, stage_b):
    options = parse([*SHAPES, "--dropout", dropout])
    assert formulas("tiny", "fid", options) == pytest.approx(64 * FID)
    expected = STUDENT + stage_b + 60 + 3 * 56
    assert formulas("tiny", "glimmer", options) == pytest.approx(64 * expected)


def test_all_passages_selected_leave_the_teacher_no_stage_b(small):
    options = parse([*SHAPES[:4], "--m", "3", *SHAPES[6:], "--dropout", "0"])
    lumen = 3 * (120 + 60 + 56 + 144 + 32)
    assert formulas("tiny", "glimmer", options) == pytest.approx(64 * (lumen + 60 + 3 * 56))


def test_exact_work_by_hand():
    lengths = {"passages": 3, "question": 2, "passage": 3, "answer": 2}
    fid = GlimmerBackbone.from_size("tiny", "fid", **SMALL)
    decoder = 2 * 2 * 576 + 2 * 80
    encoder = Work(30 * 480 + 15 * 192 + decoder, 30 * 12 * 5 + 4 * 12 * (2 + 15))
    assert training_work(fid, **lengths) == encoder * 3
    glimmer = GlimmerBackbone.from_size("tiny", "glimmer", num_selected=1, **SMALL)
    # The question's and the passages' memory, stage A, keys and values of 7 positions, decoder.
    student = Work(
        2 * 480 + 9 * 480 + 15 * 480 + 7 * 192 + decoder,
        2 * 12 * 2 + 9 * 12 * 3 + 15 * 12 * 5 + 4 * 12 * (2 + 7),
    )
    teacher = Work(17 * 192 + 3 * decoder, 3 * 4 * 12 * (2 + 7))
    assert training_work(glimmer, **lengths) == student * 3 + teacher


def test_the_teacher_reads_what_dropout_leaves_it():
    settings = {**SMALL, "num_layers": 4, "live_proportion": 0.5, "num_selected": 1}

    def work(dropout):
        backbone = GlimmerBackbone.from_size("tiny", "glimmer", dropout=dropout, **settings)
        return training_work(backbone, passages=3, question=2, passage=3, answer=2)

    # One layer of stage B on the selected passage's 5 tokens.
    assert work(0.1).projections - work(0.0).projections == 5 * 480


@pytest.mark.slow  # in a process of its own
def test_memory_of_steps():
    options = parse([*SHAPES, "--dropout", "0"])
    assert step_memory("tiny", "glimmer", 2, True, options)["peak"] > 0


@pytest.mark.slow
@pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("torch", "transformers"))),
    reason="needs torch and transformers",
)
def test_the_hugging_face_peer():
    with start_peer("tiny", 2, parse([*SHAPES, "--peer", "hf"])) as ask:
        assert ask.ready["loss"] > 0
        assert ask()["step"] > 0
