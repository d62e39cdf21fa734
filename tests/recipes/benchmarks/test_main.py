import importlib.util
import json
import sys

import pytest

import recipes.benchmarks.__main__ as every
from recipes.benchmarks.__main__ import SETTINGS, Run, main, parse, table, write_corpus
from recipes.worlds.fictional_world import make_world

TRAINING = {
    "cases": [
        {
            "size": "small",
            "batch": 4,
            "ratio": {"measured": 1.25},
            "systems": {"fid": {"share_of_peak": 0.5}, "glimmer": {"share_of_peak": 0.406}},
        }
    ]
}


@pytest.fixture(autouse=True)
def small_world(monkeypatch):
    world = make_world(0, people=40, places=10, works=10)
    monkeypatch.setattr(every, "make_world", lambda seed: world)


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """A package of programs in place of the real ones; a function adds a benchmark to it."""
    folder = tmp_path / "programs_of_a_test"
    folder.mkdir()

    def add(name, body):
        (folder / f"{name}.py").write_text("import json, os, sys\n" + body)

    monkeypatch.setattr(every, "PACKAGE", folder.name)
    monkeypatch.setattr(every, "has_peer", lambda python: False)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return add


WRITES = f"""
name = f"{{sys.argv[-1]}}/training-{{os.environ['KERAS_BACKEND']}}.json"
open(name, "w").write(json.dumps({TRAINING!r}))
"""
FAILS = "print('a start'); sys.exit('no such | thing\\n')"


def test_one_fails_and_the_rest_goes_on(programs, tmp_path, capsys):
    programs("startup", FAILS)
    programs("training", WRITES)
    output = tmp_path / "out"
    options = ["--quick", "--backends", "jax", "--output", str(output)]
    assert main(["--only", "startup", "training", *options]) == 1
    printed = capsys.readouterr().out
    assert "startup, jax: failed: no such | thing (" in printed
    assert "training, jax: done (" in printed
    collected = json.loads((output / "all.json").read_text())
    assert [(run["name"], run["error"]) for run in collected["runs"]] == [
        ("startup", "no such | thing"),
        ("training", None),
    ]
    assert collected["runs"][1]["report"] == TRAINING
    assert (output / "all.md").read_text().splitlines()[2:] == [
        "| startup | jax | failed | no such / thing |",
        "| training | jax | small, batch 4: glimmer / fid, step | 0.80 |",
        "| training | jax | small, batch 4: fid, share of the peak | 50% |",
        "| training | jax | small, batch 4: glimmer, share of the peak | 41% |",
    ]
    assert "a start" in (output / "startup-jax.log").read_text()


def test_each_backend_has_its_turn(programs, tmp_path):
    programs("training", WRITES)
    assert main(["--quick", "--only", "training", "--output", str(tmp_path)]) == 0
    runs = json.loads((tmp_path / "all.json").read_text())["runs"]
    assert [run["backend"] for run in runs] == ["tensorflow", "jax"]


def test_what_belongs_to_quick(programs, tmp_path, monkeypatch):
    asked = []

    def benchmark(run, output):
        asked.append((run.name, run.arguments))
        return run

    monkeypatch.setattr(every, "benchmark", benchmark)
    monkeypatch.setattr(every, "table", lambda runs: "")
    monkeypatch.setattr(every, "has_peer", lambda python: python == "there")
    options = ["--backends", "jax", "--output", str(tmp_path), "--peer-python", "there"]
    main([*options, "--quick"])
    quick = dict(asked)
    assert list(quick) == [name for name in SETTINGS if name not in ("inference", "serving")]
    assert quick["decoding"][-4:] == ["--peer", "hf", "--peer-python", "there"]
    assert quick["memory"][:2] == ["--corpus", str(tmp_path / "corpus.jsonl")]
    asked.clear()
    main(options)
    assert list(dict(asked)) == list(SETTINGS)


@pytest.mark.parametrize("name", [name for name in SETTINGS if name != "serving"])
def test_the_settings_are_options_of_the_programs(name):
    program = importlib.import_module(f"recipes.benchmarks.{name}")
    for settings in filter(None, SETTINGS[name]):
        program.parse([word for word in settings.split() if word != "PEER"])


def test_a_failure_without_words_tells_its_exit_status(programs, tmp_path):
    programs("training", "sys.exit(3)")
    run = every.benchmark(Run("training", "jax", []), tmp_path)
    assert run.error == "exit status 3"
    assert table([run]).endswith("| training | jax | failed | exit status 3 |\n")


def test_the_peer_is_looked_for():
    there = all(map(importlib.util.find_spec, ("torch", "transformers")))
    assert every.has_peer(sys.executable) == there


def test_a_corpus_of_many_lengths(tmp_path):
    write_corpus(tmp_path / "corpus.jsonl", 50)
    rows = [json.loads(line) for line in (tmp_path / "corpus.jsonl").read_text().splitlines()]
    assert [row["id"] for row in rows] == [str(number) for number in range(50)]
    lengths = [len(row["text"].split()) for row in rows]
    assert min(lengths) < 30
    assert 120 < max(lengths) < 350


def test_options():
    assert parse([]).only == list(SETTINGS)
    with pytest.raises(SystemExit):
        parse(["--only", "speed"])
