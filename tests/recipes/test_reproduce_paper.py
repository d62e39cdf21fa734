import dataclasses
import json
from types import SimpleNamespace

import keras
import keras_hub
import numpy as np
import pytest
import reproduce_paper
from _paper_cells import glimmer, lumen
from _paper_claims import Claim, Comparison, Row
from _paper_comparisons import comparisons, distinct_cells
from _paper_report import write_report
from _paper_run import baselines, describe_data, make_model, scores_of, with_steps
from _paper_scale import BASE, SCALES, SMALL, TINY
from _paper_summary import speed_claims, summarise
from _paper_times import measure
from _paper_verdicts import (
    ALIKE,
    DIFFERENT,
    MISSING,
    NOISE,
    ONE_SEED,
    OPPOSITE,
    SAME,
    Sample,
    verdict,
)
from _training_data import TrainingData
from reproduce_paper import choose, differences, main

from glimmer_keras.data import Corpus, Example, Passage, Provenance, Task
from glimmer_keras.models.layer_split import LayerSplit
from glimmer_keras.models.t5_weights import PRESETS, quiet_masks
from glimmer_keras.pipelines import Predictions
from tests import EAGERLY

MICRO = {"num_layers": 2, "num_heads": 1, "hidden_dim": 8, "intermediate_dim": 8}
MICRO |= {"key_value_dim": 4, "dropout": 0.0, "tie_embedding_weights": True}
DATA = {
    "passages": 9,
    "cut": {"passages": 1, "questions": 0},
    "test": {"qa": 4, "slots": 4},
    "retrieved_recall": {"2": {"qa": 60.0, "slots": 40.0, "average": 50.0}},
    "all_evidence": {"2": {"qa": 55.0, "slots": 35.0, "average": 45.0}},
    "baselines": {"Majority": {"average": 7.0, "scores": {"qa": 2.0, "slots": 12.0}}},
}


@pytest.fixture(scope="module")
def scale(tmp_path_factory):
    """A world of 60 entities, and a T5 of two layers in a folder."""
    folder = tmp_path_factory.mktemp("t5")
    tokenizer = keras_hub.models.T5Tokenizer.from_preset(str(PRESETS / "tiny_world"))
    with quiet_masks():
        t5 = keras_hub.models.T5Backbone(tokenizer.vocabulary_size(), activation="gelu", **MICRO)
    t5.save_to_preset(folder)
    tokenizer.save_to_preset(folder)
    return dataclasses.replace(
        TINY,
        t5=str(folder),
        world={"seed": 0, "people": 40, "places": 10, "works": 10},
        test_questions=3,
        batch_size=2,
        steps=2,
        answer_length=3,
        num_passages=3,
        num_selected=1,
        live_proportion=1 / 2,
        figure3_passages=(3,),
        figure5_passages=3,
    )


@pytest.mark.parametrize("scale", [TINY, SMALL, BASE])
def test_cells_are_unique_and_consistent(scale):
    every = comparisons(scale)
    assert len({comparison.key for comparison in every}) == len(every) == 13
    cells = {cell.name: cell for cell in distinct_cells(every)}
    without_name = [{**dataclasses.asdict(cell), "name": ""} for cell in cells.values()]
    assert all(without_name.count(cell) == 1 for cell in without_name)
    for comparison in every:
        labels = [row.label for row in comparison.rows]
        assert len(set(labels)) == len(labels)
        assert comparison.claims
        for row in comparison.rows:
            assert row.cell == cells[row.cell.name]
            assert (row.cell.settings.get("num_selected") or 1) <= row.cell.num_passages
            assert row.cell.num_passages <= scale.most_passages
        for claim in comparison.claims:
            assert set(claim.contrast) <= set(labels)
            assert sum(claim.contrast.values()) == 0
    baseline = glimmer(scale)
    assert sum(row.cell == baseline for each in every for row in each.rows) == 10


def test_what_the_tiny_cells_are():
    by_key = {comparison.key: comparison for comparison in comparisons(TINY)}
    names = [row.cell.name for row in by_key["main"].rows]
    assert names == ["fid-2", "fid-16", "lumen-2", "lumen-4", "lumen-16", "glimmer-16-2"]
    stage_a = [
        LayerSplit(4, 3 / 4, row.cell.settings["rerank_proportion"]).stage_a
        for row in by_key["figure4"].rows[:3]
    ]
    assert stage_a == [1, 2, 3]
    alone = [row.cell for row in by_key["figure7"].rows if row.series == "qa alone"]
    assert [cell.tasks for cell in alone] == [("qa",)] * 4
    assert [LayerSplit(4, cell.settings["live_proportion"]).live for cell in alone] == [1, 2, 3, 4]
    taus = [row.cell.compile["distillation_temperature"] for row in by_key["table3"].rows]
    assert taus == pytest.approx([0.1, 0.1, 0.1, 0.1, 0.01, 0.5, 0.1])


def test_claims_that_are_the_papers():
    claims = {
        comparison.key: {claim.text: claim for claim in comparison.claims}
        for comparison in comparisons(TINY)
    }
    assert "beta = 0.67 over beta = 0.33: fewer than 2 reranking layers harm" in claims["figure4"]
    assert claims["table1"]["Separate (from T5) about as good as GLIMMER (shared)"].alike
    assert all(claim.ours for claim in claims["temperature"].values())
    base, large = (
        {c.key: c for c in comparisons(with_steps(BASE, None, t5))}["figure4"]
        for t5 in ("t5_1.1_base", "t5_1.1_large")
    )  # 4 and 8 live layers
    assert base.claims[1].contrast == {"beta = 0.50": 1, "beta = 0.25": -1}
    assert len(large.claims) == 2


def judged(claim, least, **scores):
    """A verdict where all answers are alike, so that the noise is that of the seeds."""
    samples = {
        label: Sample(values, {"qa": ["01"] * len(values)}) for label, values in scores.items()
    }
    return verdict(claim, samples, least)


def test_verdicts_by_hand():
    over = Claim("a over b", {"a": 1, "b": -1})
    # Squares about the means: 2 and 2, freedom 4, t 2.78: 2.78 sqrt(1 (1/3 + 1/3)) = 2.27.
    near, far = [1.0, 2.0, 3.0], [5.0, 6.0, 7.0]
    found = judged(over, 1.0, a=far, b=near)
    assert found["difference"] == pytest.approx(4)
    assert found["noise"] == pytest.approx(2.78 * (2 / 3) ** 0.5)
    assert found["verdict"] == SAME
    assert judged(over, 1.0, a=near, b=far)["verdict"] == OPPOSITE
    assert judged(over, 1.0, a=near, b=[4.0, 4.0, 4.0])["verdict"] == OPPOSITE
    assert judged(over, 4.5, a=far, b=near)["verdict"] == NOISE
    assert judged(over, 1.0, a=[3.0, 4.0, 5.0], b=near)["verdict"] == NOISE
    assert judged(over, 1.0, a=near) == {"verdict": MISSING}
    alike = dataclasses.replace(over, alike=True)
    assert judged(alike, 1.0, a=[3.0, 4.0, 5.0], b=near)["verdict"] == ALIKE
    assert judged(alike, 1.0, a=far, b=near)["verdict"] == DIFFERENT
    # (6 - 2) - (2 - 0) = 2; squares 2, 2, 2, 0, freedom 8, t 2.31; factors' squares 4 / 3.
    gains = Claim("a gains more", {"a": 1, "b": -1, "c": -1, "d": 1})
    found = judged(gains, 1.0, a=far, b=near, c=near, d=[0.0] * 3)
    assert found["difference"] == pytest.approx(2)
    assert found["noise"] == pytest.approx(2.31 * (6 / 8 * 4 / 3) ** 0.5)
    assert found["verdict"] == NOISE


def test_noise_of_the_questions_by_hand():
    over = Claim("a over b", {"a": 1, "b": -1})
    a = Sample([37.5, 25.0], {"qa": ["1100", "1000"], "slots": ["10", "10"]})
    b = Sample([12.5, 12.5], {"qa": ["0000", "0000"], "slots": ["01", "01"]})
    found = verdict(over, {"a": a, "b": b}, 1.0)
    # qa differs by 1, 0.5, 0, 0, squares about their mean 0.6875; slots by 1 and -1, squares 2.
    error = 100 * (0.6875 / 3 / 4 + 2 / 1 / 2) ** 0.5 / 2
    assert found["question_noise"] == pytest.approx(1.96 * error)
    # Squares 2 * 6.25**2 and 0, freedom 2, t 4.30.
    assert found["seed_noise"] == pytest.approx(4.30 * 6.25)
    assert found["noise"] == pytest.approx((26.875**2 + (1.96 * error) ** 2) ** 0.5)
    one = {
        label: Sample(row.scores[:1], {"qa": row.correct["qa"][:1]})
        for label, row in (("a", a), ("b", b))
    }
    found = verdict(over, one, 1.0)
    assert found["seed_noise"] is None
    assert found["noise"] == pytest.approx(196 * (1 / 3 / 4) ** 0.5)  # 1, 1, 0, 0
    assert found["verdict"] == NOISE + ONE_SEED


def test_scores_are_those_of_kilt():
    """Slots by accuracy, where case counts; questions by exact match, where it does not."""
    corpus = Corpus([Passage("1", "Torvik", "a"), Passage("2", "Dunvale", "b")])
    evidence = ((Provenance(passage_id="1"),),)
    tasks = [
        Task(
            name,
            [Example(str(n), name, "?", ("Almere",), evidence) for n in range(2)],
        ).with_retrieved(np.array([[1, 0]] * 2, "int32"))
        for name in ("qa", "slots")
    ]
    selected = np.array([[1], [0]], "int32")
    predictions = {
        "qa": Predictions(["almere", "Bresk"], None, selected),
        "slots": Predictions(["almere", "Almere"], None, None),
    }
    found = scores_of(tasks, corpus, predictions)
    assert found["correct"] == {"qa": "10", "slots": "01"}
    assert found["scores"] == {"qa": 50.0, "slots": 50.0}
    assert found["average"] == 50.0
    assert found["recall"]["average"] == {"retrieved": 0.0, "reranked": 50.0}


def test_baselines_by_hand():
    corpus = Corpus([Passage("1", "Torvik", "a"), Passage("2", "Dunvale", "b")])
    train = Task("qa", [Example(str(n), "qa", "?", ("Almere",)) for n in range(2)])
    train = Task("qa", [*train, Example("2", "qa", "?", ("Torvik", "Bresk"))])
    test = Task("qa", [Example(a, "qa", "?", (a,)) for a in ("Almere", "Torvik", "Dunvale", "b")])
    test = test.with_retrieved(np.array([[1, 0], [0, 1], [1, 0], [-1, -1]], "int32"))
    found = baselines(TrainingData(corpus, None, [train], [], [test], []))
    assert found["Commonest training answer"]["average"] == 25.0
    assert found["Title of BM25's first passage"]["scores"] == {"qa": 50.0}


def test_evidence_by_hand():
    corpus = Corpus([Passage(str(n), "", "a") for n in range(4)])
    one, two = (Provenance(passage_id=str(n)) for n in range(2))
    examples = [
        Example("0", "qa", "?", ("a",), ((one, two),)),
        Example("1", "qa", "?", ("a",), ((one,), (two,))),
        Example("2", "qa", "?", ("a",)),
    ]
    rows = np.array([[0, 2, 1, 3], [3, 1, 2, 0], [0, 1, 2, 3]], "int32")
    test = [Task("qa", examples).with_retrieved(rows), Task("told", examples[2:])]
    test[1] = test[1].with_retrieved(rows[2:])
    passages = SimpleNamespace(truncated=0)
    data = TrainingData(corpus, passages, test, [], test, [])
    scale = dataclasses.replace(TINY, num_passages=3, num_selected=1)
    found = describe_data(data, scale)
    # The halves of the first are at 1 and 3, the second has an alternative at 2.
    assert found["retrieved_recall"]["1"] == {"qa": 25.0, "average": 25.0}
    assert found["retrieved_recall"]["2"] == {"qa": 75.0, "average": 75.0}
    assert found["all_evidence"]["1"]["qa"] == 0.0
    assert found["all_evidence"]["2"]["qa"] == 50.0
    assert found["all_evidence"]["3"]["qa"] == 100.0
    bare = dataclasses.replace(data, train=test[1:], test=test[1:])
    assert describe_data(bare, scale)["retrieved_recall"] == {"1": {}, "2": {}, "3": {}}


def result(average, reranks=False):
    recall = {"average": {"retrieved": 50.0, "reranked": 90.0}} if reranks else {}
    digits = ("1" * round(average)).ljust(100, "0")
    return {
        "settings": {"best_checkpoint": False},
        "average": average,
        "scores": {"qa": average, "slots": average},
        "correct": {"qa": digits, "slots": digits},
        "recall": recall,
        "fit_seconds": 10.0,
        "seconds": 1.0,  # of the last session
        "training": [{"seconds": 10.0}, {"seconds": 20.0, "scoring_seconds": 6.0}],
        "layers": {"memory": 1},
    }


def made_up_times(scale):
    cells = [row.label for row in comparisons(scale)[0].rows]

    def times(ms):
        rounds = [ms / 1000] * 10
        return {"rounds": rounds, "min": rounds[0], "median": rounds[0], "max": rounds[0]}

    seconds = {label: times(10 - number) for number, label in enumerate(cells)}
    return {
        "settings": {"rounds": 10},
        "machine": {"cpu": "abacus", "cores": 2, "devices": ["cpu"], "load_before": 0.0},
        "seconds": {"1": seconds},
        "work": {
            label: {"exact": 2e6, "formula": 2e6 if label.startswith("GLIMMER") else 1e6}
            for label in cells
        },
    }


def test_report_of_made_up_results(tmp_path):
    chosen = choose(TINY, "main,figure3-right,temperature")
    scores = {"fid-2": 10, "fid-16": 52, "lumen-2": 11, "lumen-4": 30, "lumen-16": 50}
    scores |= {"glimmer-16-1": 40, "glimmer-16-2": 50, "glimmer-16-4": 51, "glimmer-16-8": 51}
    results = {
        (name, seed): result(score + seed, name.startswith("glimmer"))
        for name, score in scores.items()
        for seed in range(3)
    }
    times = made_up_times(TINY)
    write_report(tmp_path, TINY, chosen, [0, 1, 2], results, times, DATA)
    report = (tmp_path / "REPORT.md").read_text()
    assert "GLIMMER 16->2 scores 51.0, 96.2% of FiD-16's 53.0, and +39.0 points against" in report
    assert "- share of it, 2 passages: qa 60.0, slots 40.0, average 50.0" in report
    assert "- all of it, 2 passages: qa 55.0, slots 35.0, average 45.0" in report
    assert "alpha 0.75, rerank proportion beta 0.667, dropout 0; distillation with weight" in report
    assert "weight lambda 1, temperature tau 0.1, direction lm_to_rank." in report
    assert "start from a model that was trained on several" in report
    assert "27 trainings, 0.3 hours" in report  # of 36 seconds each
    assert "50.0 % as BM25 has them and 90.0 % after reranking" in report
    assert report.count("| *Majority* | 7.0 |  |  |  |  | 2.0 | 12.0 |  |  |") == 1
    assert "| GLIMMER 16->2 | **51.0** | 3 | 1.0 | 50.0 to 52.0 |  |" in report
    # Of the seeds 2.27; of the questions 1.96 (19.11 / 100 - 0.04)^0.5 / (2 99)^0.5 is 5.41.
    assert "- GLIMMER over LUMEN-4: +20.0 (5.9): **same direction**" in report
    assert "- *GLIMMER about as good as FiD-16*: -2.0 (2.7): **same: no difference seen**" in report
    # Gains of 10 and of 0.
    assert "less gained from m = 4 to m = 8 than from m = 1 on: +10.0 (4.8): **same" in report
    assert "| tau = 0.03 | not run |" in report
    assert "over the highest, tau = 1*: -: **not run**" in report
    assert "| GLIMMER 16->2 faster than LUMEN-4 | 1 | 1.40 | 1.00 | 0.50 | 10 of 10 |" in report
    assert "do not hold at this scale: GLIMMER 16->2 faster than LUMEN-4, GLIMMER" in report
    summary = json.loads((tmp_path / "results.json").read_text())
    assert [part["key"] for part in summary["comparisons"]] == [c.key for c in chosen]
    for name in ("main", "figure3-right", "temperature"):
        assert f"]({name}.png)" in report
        image = (tmp_path / f"{name}.png").read_bytes()
        assert image.startswith(b"\x89PNG")
        assert len(image) < 60_000


def test_speed_is_judged_by_rounds():
    times = made_up_times(TINY)
    ours = times["seconds"]["1"]["GLIMMER 16->2"]["rounds"]
    slow = times["seconds"]["1"]["LUMEN-4"]["rounds"]
    for won, expected in ((10, SAME), (9, SAME), (8, NOISE), (1, OPPOSITE)):
        ours[:] = [slow[0] / 2] * won + [slow[0] * 2] * (10 - won)
        assert speed_claims(TINY, times)[0]["verdict"] == expected


def test_starts(scale):
    keras.utils.set_random_seed(1)
    cell = glimmer(scale, start="scorer at zero", reranker="separate")
    usual = make_model(cell, scale).backbone
    assert not np.any(usual.passage_scorer.kernel)
    cell = glimmer(scale, start="reranker from scratch", reranker="separate")
    scratch = make_model(cell, scale).backbone

    def equal(part):
        pairs = zip(getattr(scratch, part).weights, getattr(usual, part).weights, strict=True)
        return [bool(np.all(np.asarray(a) == np.asarray(b))) for a, b in pairs]

    assert all(equal("stage_b"))
    assert all(equal("memory_encoder"))
    kernels = [len(weight.shape) > 1 for weight in scratch.stage_a.weights]
    assert [not same for same in equal("stage_a")] == kernels  # norms start at 1


def test_a_killed_run_goes_on(scale, tmp_path, monkeypatch, capsys):
    """Two cells: the first is killed in step 2, and the same command goes on from step 1."""
    scale = dataclasses.replace(scale, save_every=1)
    eager = {"run_eagerly": EAGERLY}
    cells = [dataclasses.replace(c, compile=eager) for c in (lumen(scale, 1), glimmer(scale))]
    rows = (Row("a", cells[0]), Row("b", cells[1]))
    comparison = Comparison("main", "Two", rows, (Claim("b over a", {"b": 1, "a": -1}),))
    monkeypatch.setitem(SCALES, "tiny", scale)
    monkeypatch.setattr("_paper_run.WORLD_TASKS", ("qa", "verify"))
    monkeypatch.setattr(reproduce_paper, "comparisons", lambda scale: [comparison])
    monkeypatch.setattr(reproduce_paper, "measured_times", lambda scale, *_: made_up_times(scale))
    monkeypatch.setattr("_paper_plots.draw", lambda *_: [])
    run, steps, killed = reproduce_paper.run_cell, [], []

    def counted(cell, scale, data, seed, folder, on_step, best):
        def step():
            on_step()
            steps.append(cell.name)
            if len(steps) == 2 and not killed:
                killed.append(folder)
                raise KeyboardInterrupt

        return run(cell, scale, data, seed, folder, step, best=True)

    monkeypatch.setattr(reproduce_paper, "run_cell", counted)
    options = ["--output", str(tmp_path), "--seeds", "5"]
    assert main([*options, "--report-only"]) == 2
    assert "`--output` must hold results." in capsys.readouterr().err
    assert main(options) == 130
    assert steps == ["lumen-1"] * 2
    assert (killed[0] / "step-00000001").is_dir()
    trained = json.loads((killed[0] / "stretches.json").read_text())
    assert main(options) == 0
    assert steps[2:] == ["lumen-1"] * 2 + ["glimmer-3-1"] * 2  # the first of them only shown
    assert not killed[0].exists()
    assert main(options) == 0
    assert main([*options, "--report-only"]) == 0
    assert len(steps) == 6
    resumed, kept = (
        json.loads((tmp_path / "cells" / f"{name}-5.json").read_text())
        for name in ("lumen-1", "glimmer-3-1")
    )
    assert resumed["training"][:1] == trained
    assert [stretch["step"] for stretch in resumed["training"]] == [1, 2]
    assert [stretch["step"] for stretch in kept["training"]] == [1, 2]
    assert kept["average"] == max(stretch["average"] for stretch in kept["training"])
    assert set(kept["scores"]) == {"qa", "verify"}
    assert kept["average"] == pytest.approx(np.mean([*kept["scores"].values()]))
    assert kept["recall"]["average"]["retrieved"] <= 100
    assert kept["layers"] == {"memory": 1, "stage A": 1, "stage B": 0, "decoder": 2}
    assert kept["training"][-1]["losses"]["distillation_loss"] >= -1e-6
    assert "(one seed)" in (tmp_path / "REPORT.md").read_text()
    capsys.readouterr()
    assert main([*options, "--steps", "3"]) == 2
    said = capsys.readouterr().err
    assert "lumen-1-5.json has training.steps 2. Received: 3" in said
    assert said.count("\n") == 1


def test_times_of_one_system(scale, monkeypatch):
    monkeypatch.setattr("_paper_times.BATCHES", (2,))
    monkeypatch.setattr("_paper_times.ROUNDS", 2)
    monkeypatch.setattr("_benchmark.jit_choices", lambda jit: {"plain": False})
    found = measure(scale, (Row("ours", glimmer(scale)),))
    assert len(found["seconds"]["2"]["ours"]["rounds"]) == 2
    assert found["work"]["ours"]["exact"] > 0
    # d = 8, L = 2, n_p = 80, n_t = 3: k n_p 12 d^2 / 2 ... of the one live layer, beta 2/3.
    lumen_1 = 80 * 12 * 64 + 80 * 2 * 2 * 64 + 3 * 2 * 14 * 64
    assert found["work"]["ours"]["formula"] == pytest.approx(lumen_1 + 2 * 80 * 2 / 3 * 12 * 64)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--steps 0", "`--steps` must be at least 1. Received: 0"),
        ("--seeds a", "argument --seeds: invalid numbers value: 'a'"),
        ("--only main,figure9", "`--only` must be some of main, figure3-left"),
        ("--t5 t6", "`--t5` must be a preset folder or one of t5_"),
        ("--scale base --t5 t5_1.1_base", "`--data` must be given with --scale base."),
        ("--scale small --data x", "`--t5` must be given with --scale small."),
        ("--data x", "`--data` must be left out with --scale tiny."),
        ("--best-checkpoint", "`--best-checkpoint` must be left out with --scale tiny."),
    ],
)
def test_bad_options(tmp_path, capsys, options, message):
    assert main(["--output", str(tmp_path / "output"), *options.split()]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert not (tmp_path / "output").exists()


def test_without_matplotlib(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main(["--output", str(tmp_path / "output")]) == 2
    assert 'pip install "glimmer_keras[report]"' in capsys.readouterr().err
    assert not (tmp_path / "output").exists()


def test_differences():
    assert differences({"a": {"b": 1}, "c": 2}, {"a": {"b": 1}, "c": 2}) == {}
    assert differences({"a": {"b": 1}}, {"a": {"b": 2}, "c": 3}) == {"a.b": (1, 2), "c": (None, 3)}


def test_summary_leaves_out_what_was_not_run():
    times = made_up_times(TINY)
    results = {("glimmer-16-2", 0): result(50.0, True)}
    summary = summarise(TINY, comparisons(TINY), [0], results, times, DATA)
    keys = {part["key"] for part in summary["comparisons"]}
    assert "main" in keys
    assert {"figure5", "figure6", "figure7"}.isdisjoint(keys)
    assert summary["hours"] == pytest.approx(0.01)
