import functools
import json

import numpy as np
import pytest

from recipes.benchmarks import data
from recipes.benchmarks.figures import FIGURES
from recipes.worlds.tasks import world_tasks

WORDS = ["harp", "camp", "opera", "Torvik", "Mirelda", "founded", "wrote"]
OPTIONS = ["--k", "3", "--question-length", "8", "--passage-length", "16", "--answer-length", "4"]
OPTIONS += ["--batch", "8", "--steps", "2", "--repeats", "1", "--share-steps", "500"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A corpus of 30 passages; half of a task's questions have words of their gold passage."""
    path, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    texts = [f"number{n} {' '.join(rng.choice(WORDS, 6))}" for n in range(30)]
    rows = [{"id": str(n), "text": text} for n, text in enumerate(texts)]
    write(path / "corpus.jsonl", rows)
    for name, size in (("one", 20), ("two", 6)):
        examples = [
            {
                "id": str(n),
                "input": f"number{n}" if n % 2 else "nowhere",
                "output": [{"answer": "SUPPORTS", "provenance": [{"passage_id": str(n)}]}],
            }
            for n in range(4, size + 4)
        ]
        for split in ("train", "dev"):
            write(path / f"{name}-{split}.jsonl", examples)
    return path


def write(path, records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")


@pytest.fixture(scope="module")
def report(folder, run):
    return run(data, [*OPTIONS, "--data", str(folder), "--weights", "3,1"])


def test_counts_of_the_filter(report):
    counts = {
        name: [row[key] for key in ("before", "after", "gold", "overlap", "answer", "dropped")]
        for name, row in report["filter"].items()
    }
    assert counts == {"one": [20, 10, 10, 0, 0, 10], "two": [6, 3, 3, 0, 0, 3]}


def test_shares_follow_the_weights(report):
    shares = report["shares"]
    assert {name: row["weight"] for name, row in shares.items()} == {"one": 0.75, "two": 0.25}
    assert sum(row["share"] for row in shares.values()) == pytest.approx(1)
    # 4,000 draws: a standard deviation is 0.007.
    assert shares["one"]["share"] == pytest.approx(0.75, abs=0.03)
    assert shares["one"]["off"] == pytest.approx(shares["one"]["share"] / 0.75 - 1)


def test_speed_and_sizes(report):
    assert report["examples_per_second"]["median"] > 0
    assert report["passages"] == 30
    # 16 ids of 2 bytes and a length of 4, the tasks' beside them.
    assert report["on_disk"]["tokens"] > 36
    assert report["on_disk"]["corpus"] > 60
    assert report["held_by_corpus"] > 100
    assert 0 < sum(report["held"].values()) < 100_000


def test_figures(report):
    figures = dict(FIGURES["data"](report))
    assert figures["examples that the relevance filter keeps"] == "13 of 26"
    assert set(figures) == {
        "examples a second, 3 passages",
        "a task's share off its weight at most",
        "examples that the relevance filter keeps",
        "memory held of the corpus, kB",
    }


def test_without_data_there_is_a_world(monkeypatch):
    small_world = functools.partial(world_tasks, people=40, places=10, works=10)
    monkeypatch.setattr(data, "world_tasks", small_world)
    report = data.main([*OPTIONS])
    assert all(0 < row["after"] <= row["before"] for row in report["filter"].values())


def test_weights_are_numbers(capsys):
    assert data.parse(["--weights", "1,2.5"]).weights == [1.0, 2.5]
    with pytest.raises(SystemExit):
        data.parse(["--weights", "a"])
