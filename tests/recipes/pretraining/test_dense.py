import json

import _dense_report
import numpy as np
import pytest
import train_dense

from glimmer_keras.models import TextEmbedder
from recipes.worlds.fictional_world import make_world, write_world

pytest.importorskip("faiss")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """The world, and a run of two steps on it."""
    world, output = tmp_path_factory.mktemp("world"), tmp_path_factory.mktemp("run")
    write_world(make_world(0, people=40, places=20, works=20), world)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train_dense, "DIM", 8)
        patch.setattr(_dense_report, "INDEXES", (("Flat", ""), ("HNSW8", "")))
        assert run(world, output) == 0
    return world, output


def run(world, output, steps=2):
    options = ["--steps", str(steps), "--vocabulary-size", "200"]
    options += ["--batch-size", "8", "--layers", "1"]
    return train_dense.main(["--data", str(world), "--output", str(output), *options])


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
    monkeypatch.setattr(train_dense, "train_embedder", None)
    monkeypatch.setattr(_dense_report, "INDEXES", ())
    before = json.loads((folders[1] / "report.json").read_text())["recall"]
    assert run(*folders) == 0
    assert json.loads((folders[1] / "report.json").read_text())["recall"] == before
    assert run(*folders, steps=3) == 2
    assert "has steps 2. Received: 3" in capsys.readouterr().err


def test_a_batch():
    passages = [[10 * row + 2 + i for i in range(8)] for row in range(9)]
    batches = train_dense.Batches([[5], [6], [7]], [0, 0, 4], passages, 256, 3)
    assert len(batches) == 3
    inputs, labels = batches[0]
    rows = (inputs["passage"][:, 0] - 2) // 10
    assert sorted(rows.tolist()) == list(range(9))  # each once, though two questions are of row 0
    assert labels.tolist() == list(range(9))
    questions = dict(zip(rows.tolist(), inputs["question"].tolist(), strict=True))
    assert questions[4][:3] == [7, 1, 0]
    assert questions[0][0] in (5, 6)
    for row in (1, 2, 3, 5):
        assert {token // 10 for token in questions[row] if token > 1} == {row}
    np.testing.assert_array_equal(batches[0][0]["question"], inputs["question"])
    second = batches[1][0]["question"]
    assert (second != inputs["question"]).any()
    batches.on_epoch_end()
    assert not any((batches[i][0]["question"] == second).all() for i in range(3))


def test_a_piece_of_all_of_a_passage_leaves_it():
    piece, rest = train_dense.piece_and_rest([4], np.random.default_rng(0))
    assert (piece, rest) == ([4], [4])
