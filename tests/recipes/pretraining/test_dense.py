import json

import pytest

from glimmer_keras.models import TextEmbedder
from recipes.pretraining import dense, dense_report
from recipes.worlds.fictional_world import make_world, write_world

pytest.importorskip("faiss")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """The world, and a run of two steps on it."""
    world, output = tmp_path_factory.mktemp("world"), tmp_path_factory.mktemp("run")
    write_world(make_world(0, people=40, places=20, works=20), world)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dense, "DIM", 8)
        patch.setattr(dense_report, "INDEXES", (("Flat", ""), ("HNSW8", "")))
        assert run(world, output) == 0
    return world, output


def run(world, output, steps=2):
    options = ["--steps", str(steps), "--vocabulary-size", "200"]
    options += ["--batch-size", "8", "--layers", "1"]
    return dense.main(["--data", str(world), "--output", str(output), *options])


def test_what_a_run_leaves(folders):
    report = json.loads((folders[1] / "report.json").read_text())
    assert set(report["recall"]) == {"BM25", "dense"}
    for table in report["recall"].values():
        for scores in table.values():
            assert 0 <= scores["1"] <= scores["5"] <= scores["25"] <= 100
    assert report["recall"]["BM25"]["mean"]["25"] > 50
    assert set(report["indexes"]) == {"exact", "Flat", "HNSW8"}
    assert report["indexes"]["exact"]["found"] == report["indexes"]["Flat"]["found"] == 1
    assert TextEmbedder.from_preset(str(folders[1] / "preset")).dim == 8


def test_the_same_command_goes_on_and_another_is_refused(folders, capsys, monkeypatch):
    monkeypatch.setattr(dense, "train_embedder", None)
    monkeypatch.setattr(dense_report, "INDEXES", ())
    before = json.loads((folders[1] / "report.json").read_text())["recall"]
    assert run(*folders) == 0
    assert json.loads((folders[1] / "report.json").read_text())["recall"] == before
    assert run(*folders, steps=3) == 2
    assert "has steps=2. Received: steps=3" in capsys.readouterr().err
