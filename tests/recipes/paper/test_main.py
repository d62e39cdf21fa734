import dataclasses
import json

import numpy as np
import pytest

from recipes.paper import __main__ as paper
from recipes.paper import options, plots, results, run
from recipes.paper.__main__ import main
from recipes.paper.cells import glimmer, lumen
from recipes.paper.claims import Claim, Comparison, Row
from recipes.paper.scale import SCALES, TINY
from recipes.worlds import tasks
from tests import EAGERLY


@pytest.mark.once_on("jax")
def test_two_cells(micro_scale, tmp_path, monkeypatch, capsys, made_up_times):
    """Trained in one step each, stopped between them; what is there is not run again."""
    scale = dataclasses.replace(micro_scale, steps=1)
    eager = {"run_eagerly": EAGERLY}
    cells = [dataclasses.replace(c, compile=eager) for c in (lumen(scale, 1), glimmer(scale))]
    rows = (Row("a", cells[0]), Row("b", cells[1]))
    comparison = Comparison("main", "Two", rows, (Claim("b over a", {"b": 1, "a": -1}),))
    monkeypatch.setitem(SCALES, "tiny", scale)
    monkeypatch.setattr(tasks, "TASKS", ("qa", "verify"))
    monkeypatch.setattr(options, "comparisons", lambda scale: [comparison])
    monkeypatch.setattr(paper, "measured_times", lambda scale, *_: made_up_times(scale))
    monkeypatch.setattr(plots, "draw", lambda *_: [])
    ran = []

    def counted(cell, *args):
        ran.append(cell.name)
        if len(ran) == 2:
            raise KeyboardInterrupt
        return run.run_cell(cell, *args)

    monkeypatch.setattr(results, "run_cell", counted)
    command = ["--output", str(tmp_path), "--seeds", "5,5"]
    assert main([*command, "--report-only"]) == 2
    assert "`--output` must hold results." in capsys.readouterr().err
    assert main(command) == 130
    assert "Stopped; the same command goes on" in capsys.readouterr().err
    assert main(command) == 0
    assert ran == ["lumen-1", "glimmer-3-1", "glimmer-3-1"]
    assert main([*command, "--report-only"]) == 0
    assert len(ran) == 3
    kept = json.loads((tmp_path / "cells" / "glimmer-3-1-5.json").read_text())
    assert [stretch["step"] for stretch in kept["training"]] == [1]
    assert set(kept["scores"]) == set(kept["correct"]) == {"qa", "verify"}
    assert kept["average"] == pytest.approx(np.mean([*kept["scores"].values()]))
    assert kept["recall"]["average"]["retrieved"] <= 100
    assert kept["layers"] == {"memory": 1, "stage A": 1, "stage B": 0, "decoder": 2}
    assert kept["training"][-1]["distillation_loss"] >= -1e-6
    assert "(one seed)" in (tmp_path / "REPORT.md").read_text()
    capsys.readouterr()
    assert main([*command, "--steps", "3"]) == 2
    printed = capsys.readouterr().err
    assert "lumen-1-5.json has training.steps=1. Received: training.steps=3" in printed
    assert printed.count("\n") == 1


@pytest.fixture
def described(tmp_path):
    """A folder that knows its data, and has no result."""
    content = {"fingerprint": "x", "test": {"nq": 3, "fever": 3}}
    (tmp_path / "data.json").write_text(json.dumps(content))
    return tmp_path


def test_a_checkpoint_of_other_settings_is_refused(described, capsys):
    folder = results.run_folder(described, glimmer(TINY), 0)
    folder.mkdir(parents=True)
    settings = run.settings_of(glimmer(TINY), TINY, 0, {"fingerprint": "y"}, False)
    (folder / "settings.json").write_text(json.dumps(settings))
    assert main(["--output", str(described), "--report-only", "--only", "table2"]) == 2
    printed = capsys.readouterr().err
    assert "glimmer-16-2-0/settings.json has data='y'. Received: data='x'" in printed
    assert printed.count("\n") == 1


def test_the_question_task_must_be_there(described, capsys):
    command = ["--output", str(described), "--report-only", "--only", "figure7"]
    assert main(command) == 2
    printed = capsys.readouterr().err
    assert "`--question-task` must be one of nq, fever for figure7. Received: qa" in printed
    assert printed.count("\n") == 1
    assert main([*command, "--question-task", "squad"]) == 2
    assert "Received: squad" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--steps 0", "`--steps` must be at least 1. Received: 0"),
        ("--seeds a", "argument --seeds: invalid seed_numbers value: 'a'"),
        ("--seeds -1", "`--seeds` must be at least 0. Received: -1"),
        ("--only main,figure9", "`--only` must be some of main, figure3-left"),
        ("--t5 t6", "`--t5` must be a preset folder or one of t5_"),
        ("--scale base --data x", "`--t5` must be given with --scale base."),
        ("--scale small", "`--data` must be given with --scale small."),
        ("--data x", "`--data` must be left out with --scale tiny."),
        ("--best-checkpoint", "`--best-checkpoint` must be left out with --scale tiny."),
    ],
)
def test_bad_options(tmp_path, capsys, options, message):
    assert main(["--output", str(tmp_path / "output"), *options.split()]) == 2
    printed = capsys.readouterr().err
    assert message in printed
    assert printed.startswith("error: ")
    assert printed.count("\n") == 1
    assert not (tmp_path / "output").exists()


def test_without_matplotlib(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main(["--output", str(tmp_path / "output")]) == 2
    assert 'pip install "glimmer_keras[report]"' in capsys.readouterr().err
    assert not (tmp_path / "output").exists()
