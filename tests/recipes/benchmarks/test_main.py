import importlib.util
import json
import sys

import benchmark_all
import pytest
from _figures import FIGURES
from benchmark_all import SETTINGS, Run, main, parse, table, write_corpus

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


@pytest.fixture
def recipes(tmp_path, monkeypatch):
    """A folder of recipes in place of the real ones; a function adds a benchmark to it."""

    def add(name, body):
        (tmp_path / f"benchmark_{name}.py").write_text("import json, os, sys\n" + body)

    monkeypatch.setattr(benchmark_all, "__file__", str(tmp_path / "benchmark_all.py"))
    monkeypatch.setattr(benchmark_all, "has_peer", lambda python: False)
    return add


WRITES = f"""
name = f"{{sys.argv[-1]}}/training-{{os.environ['KERAS_BACKEND']}}.json"
open(name, "w").write(json.dumps({TRAINING!r}))
"""
FAILS = "print('a start'); sys.exit('no such | thing\\n')"


def test_one_fails_and_the_rest_goes_on(recipes, tmp_path, capsys):
    recipes("startup", FAILS)
    recipes("training", WRITES)
    output = tmp_path / "out"
    options = ["--quick", "--backends", "jax", "--output", str(output)]
    assert main(["--only", "startup", "training", *options]) == 1
    said = capsys.readouterr().out
    assert "startup, jax: failed: no such | thing (" in said
    assert "training, jax: done (" in said
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


def test_each_backend_has_its_turn(recipes, tmp_path):
    recipes("training", WRITES)
    assert main(["--quick", "--only", "training", "--output", str(tmp_path)]) == 0
    runs = json.loads((tmp_path / "all.json").read_text())["runs"]
    assert [run["backend"] for run in runs] == ["tensorflow", "jax"]


def test_what_belongs_to_quick(recipes, tmp_path, monkeypatch):
    told = []

    def benchmark(run, output):
        told.append((run.name, run.arguments))
        return run

    monkeypatch.setattr(benchmark_all, "benchmark", benchmark)
    monkeypatch.setattr(benchmark_all, "table", lambda runs: "")
    monkeypatch.setattr(benchmark_all, "has_peer", lambda python: python == "there")
    options = ["--backends", "jax", "--output", str(tmp_path), "--peer-python", "there"]
    main([*options, "--quick"])
    quick = dict(told)
    assert list(quick) == [name for name in SETTINGS if name not in ("inference", "serving")]
    assert quick["decoding"][-4:] == ["--peer", "hf", "--peer-python", "there"]
    assert quick["memory"][:2] == ["--corpus", str(tmp_path / "corpus.jsonl")]
    told.clear()
    main(options)
    assert list(dict(told)) == list(SETTINGS)


@pytest.mark.parametrize("name", [name for name in SETTINGS if name not in ("memory", "serving")])
def test_the_settings_are_options_of_the_recipes(name):
    recipe = importlib.import_module(f"benchmark_{name}")
    for settings in filter(None, SETTINGS[name]):
        recipe.parse([word for word in settings.split() if word != "PEER"])


def test_memory_takes_its_settings(tmp_path):
    from benchmark_memory import parse as parse_memory

    for settings in SETTINGS["memory"]:
        assert parse_memory(settings.split()).corpus == "CORPUS"


def test_every_benchmark_has_figures():
    assert FIGURES.keys() == SETTINGS.keys()


def test_figures_of_peers_and_scaling():
    system = {"encode": {"median": 1.2}, "limits": {"encode": 1.0}}
    peer = {"encode": {"median": 9.0}, "glimmer_faster": {1: {"measured": 8.0}}}
    case = {"size": "base", "batch": 1, "systems": {"glimmer 25->5": system, "hf fid 25": peer}}
    assert list(FIGURES["peers"]({"cases": [case]})) == [
        ("base, batch 1: glimmer 25->5, encoding / its limit", "1.20"),
        ("base, batch 1: hf fid 25 / GLIMMER from memory, 1 tokens", "8.00"),
    ]
    report = {"settings": {"size": "base"}, "slope_over_work": 1.01}
    report["off_line"] = {5: -0.021, 10: 0.01}
    assert list(FIGURES["scaling"](report)) == [
        ("base: slope in k / the matrix work's", "1.01"),
        ("base: times in k off a line at most", "2.1%"),
    ]


def test_figures_of_decoding_and_start_up():
    system = {"tokens_per_second": 12.34, "over_floor": 1.5}
    peer = {**system, "ours_faster": {"measured": 3.0}}
    case = {"size": "base", "batch": 16, "systems": {"ours": system, "hf": peer}}
    assert list(FIGURES["decoding"]({"cases": [case]})) == [
        ("base, batch 16: ours, tokens a second", "12.3, 1.50 times the floor"),
        (
            "base, batch 16: hf, tokens a second",
            "12.3, 1.50 times the floor, ours 3.00 times as fast",
        ),
    ]
    report = {
        "settings": {"size": "base", "asked_size": "tiny"},
        "import": {"over_them": {"median": 0.251}},
        "load": {"first_answer_seconds": 12.0, "peak_over_weights": 1.25},
        "answer": {"questions": 1000, "compilations": 0, "growth_megabytes": -0.5},
    }
    assert [value for _, value in FIGURES["startup"](report)] == [
        "0.25",
        "12.0",
        "1.25",
        "0",
        "-0.5",
    ]


def test_a_failure_without_words_tells_its_exit_status(recipes, tmp_path):
    recipes("training", "sys.exit(3)")
    run = benchmark_all.benchmark(Run("training", "jax", []), tmp_path)
    assert run.error == "exit status 3"
    assert table([run]).endswith("| training | jax | failed | exit status 3 |\n")


def test_the_peer_is_looked_for():
    there = importlib.util.find_spec("torch") and importlib.util.find_spec("transformers")
    assert benchmark_all.has_peer(sys.executable) == bool(there)


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
