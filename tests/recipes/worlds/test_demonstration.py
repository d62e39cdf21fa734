import functools
import json

import pytest

import glimmer_keras as gk
from glimmer_keras.memory import MemoryStore
from recipes.worlds import demonstration


def test_tiny_run(tmp_path, capsys, monkeypatch, eager):
    small = functools.partial(demonstration.world_tasks, places=12, works=20)
    monkeypatch.setattr(demonstration, "world_tasks", small)
    monkeypatch.setattr(demonstration, "TEST_QUESTIONS", 8)
    monkeypatch.setattr(demonstration, "BATCH_SIZE", 8)
    demonstration.main(["--steps", "2", "--people", "60", "--output", str(tmp_path)])
    report = json.loads((tmp_path / "report.json").read_text())
    assert set(report["scores"]) == {"qa", "slots", "verify", "compare", "average"}
    for row in report["scores"].values():
        assert set(row) >= {"exact_match", "retrieved_recall", "reranked_recall"}
        assert all(0 <= value <= 1 for value in row.values())
    assert [row["step"] for row in report["history"]] == [2]
    assert report["history"][0]["distillation_loss"] >= 0
    assert set(report["seconds_per_question"]) == {"int8", "float32", "none"}
    assert 0.9 <= report["same_selected"] <= 1
    store = MemoryStore.open(tmp_path / "memory")
    glimmer = gk.Glimmer.from_preset(str(tmp_path / "preset"))
    assert gk.Reader(glimmer, store).num_passages == demonstration.NUM_PASSAGES
    printed = capsys.readouterr().out
    assert "memory 1, stage A 2, stage B 1, decoder 4" in printed
    assert printed.count("  BM25 rank ") == 12  # six questions, two passages each


def test_memory_of_another_run_is_left_alone(tmp_path, capsys):
    (tmp_path / "memory").mkdir()
    with pytest.raises(SystemExit):
        demonstration.main(["--output", str(tmp_path)])
    assert "must hold no memory of another run" in capsys.readouterr().err
    assert (tmp_path / "memory").exists()
