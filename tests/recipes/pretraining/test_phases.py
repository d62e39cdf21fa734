import json
import shutil
import signal
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from safetensors.numpy import load_file

from glimmer_keras.data import Corpus, Example, Passage, Task
from glimmer_keras.training import TrainingRun
from recipes.pretraining import phases, tiny_world
from recipes.pretraining.phases import Course, pretrain, shortened
from recipes.pretraining.tokenizer import train_tokenizer

TOWNS = ("Torvik", "Dunvale", "Almere", "Bresk")
SIZES = {"num_layers": 2, "num_heads": 1, "hidden_dim": 8, "intermediate_dim": 8}
ONE = {"reader": "fid", "steps": 2, "batch_size": 2, "num_passages": 1, "answer_length": 3}
ONE |= {"learning_rate": 1e-2, "tasks": {"qa": 1.0}}
PHASES = (ONE, ONE | {"reader": "glimmer", "num_passages": 3})
GLIMMER = {"live_proportion": 1 / 2, "rerank_proportion": 1.0, "num_selected": 2}


@pytest.fixture(scope="module")
def learn():
    texts = [f"{town} lies on the river Isk, {n} miles away." for n, town in enumerate(TOWNS)]
    corpus = Corpus([Passage(str(n), "", text) for n, text in enumerate(texts)])
    examples = [
        Example(str(n), "qa", f"How far is {town}?", (str(n),)) for n, town in enumerate(TOWNS)
    ]
    rows = np.array([[(n + k) % 4 for k in range(3)] for n in range(4)], "int32")
    tasks = [Task("qa", examples).with_retrieved(rows)]
    tokenizer = train_tokenizer(texts, 60)

    keras.utils.set_random_seed(0)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(tiny_world, "SIZES", SIZES)
        started = tiny_world.new_reader(tokenizer.vocabulary_size())

    def run(output, phases=PHASES, seed=1, corpus=corpus, start=started):
        lengths = {"question_length": 8, "passage_length": 16}
        course = Course(tokenizer, corpus, tasks, phases, lengths, seed)
        pretrain("", output, start, course, about="towns")

    return run


def interrupted(*_, **__):
    raise KeyboardInterrupt


def weights(folder):
    """Of the file, by name."""
    return load_file(folder / "model.safetensors")


@pytest.mark.once_on("tensorflow")
def test_a_stopped_run_goes_on(learn, tmp_path, monkeypatch, eager):
    """Stopped behind the first step of its second phase, it ends where an unbroken one does."""
    monkeypatch.setattr(phases, "STEPS_SHOWN", 1)
    monkeypatch.setitem(phases.READERS, "glimmer", GLIMMER)
    fit, calls = TrainingRun.fit, []

    def stopped(run, callbacks=()):
        calls.append(run.step)
        if len(calls) == 2:
            stop = keras.callbacks.Callback()
            stop.on_train_batch_end = lambda *_, **__: signal.raise_signal(signal.SIGINT)
            callbacks = [stop, *callbacks]
        return fit(run, callbacks)

    monkeypatch.setattr(TrainingRun, "fit", stopped)
    with pytest.raises(KeyboardInterrupt):
        learn(tmp_path / "stopped")
    assert not (tmp_path / "stopped").exists()
    assert (tmp_path / "stopped-run" / "phase-1" / "reader").is_dir()
    shutil.copytree(tmp_path / "stopped-run", tmp_path / "unbroken-run")
    shutil.rmtree(tmp_path / "unbroken-run" / "phase-2")
    learn(tmp_path / "unbroken")
    for changed, message in (
        (
            {"phases": [ONE, PHASES[1] | {"batch_size": 1}]},
            "has phases.2.batch_size=2. Received: phases.2.batch_size=1",
        ),
        ({"phases": PHASES[:1]}, "has phases.2.reader='glimmer'"),
        ({"seed": 2}, "has seed=1. Received: seed=2"),
        ({"corpus": Corpus([Passage("0", "", "Torvik lies.")])}, "has corpus="),
        ({"start": SimpleNamespace(weights=[np.zeros(2)])}, "has start="),
    ):
        with pytest.raises(ValueError, match=message):
            learn(tmp_path / "stopped", **changed)
    with monkeypatch.context() as patched:
        patched.setattr(phases.shutil, "copytree", interrupted)
        with pytest.raises(KeyboardInterrupt):
            learn(tmp_path / "stopped")
    assert not (tmp_path / "stopped").exists()
    learn(tmp_path / "stopped")
    assert calls == [0, 0, 0, 1]
    assert not (tmp_path / "stopped-run").exists()
    np.testing.assert_equal(weights(tmp_path / "stopped"), weights(tmp_path / "unbroken"))
    reports = [
        json.loads((tmp_path / name / "report.json").read_text())
        for name in ("unbroken", "stopped")
    ]
    losses = [[row["loss"] for row in report["phases"][1]["losses"]] for report in reports]
    assert losses[0] == losses[1]
    assert [row["step"] for row in reports[1]["phases"][1]["losses"]] == [1, 2]
    assert reports[1]["about"] == "towns"


def test_a_shortened_phase_keeps_a_step():
    assert [phase["steps"] for phase in shortened([ONE | {"steps": 7}, ONE], 3)] == [2, 1]
