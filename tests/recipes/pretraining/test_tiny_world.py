import json

import pytest

import glimmer_keras as gk
from glimmer_keras.data import Passage
from recipes.pretraining import phases, tiny_world
from recipes.worlds.fictional_world import make_world


@pytest.mark.once_on("tensorflow")
def test_tiny_run_writes_a_preset_that_loads(tmp_path, monkeypatch, eager):
    # The first and the last phase: one passage, and reranking of eight, here in two layers.
    monkeypatch.setattr(tiny_world, "PHASES", tiny_world.PHASES[::10])
    monkeypatch.setattr(tiny_world, "WORLD_SEEDS", tiny_world.WORLD_SEEDS[:1])
    monkeypatch.setattr(
        tiny_world, "make_world", lambda seed, people, works: make_world(seed, people, 12, 20)
    )
    monkeypatch.setitem(tiny_world.SIZES, "num_layers", 2)
    monkeypatch.setitem(phases.READERS["glimmer"], "live_proportion", 1 / 2)
    monkeypatch.setitem(phases.READERS["glimmer"], "rerank_proportion", 1.0)
    output = tmp_path / "tiny"
    command = ["--output", str(output), "--shorten", "1000", "--people", "60"]
    assert tiny_world.main(command) == 0
    report = json.loads((output / "report.json").read_text())
    assert [phase["steps"] for phase in report["phases"]] == [1, 4]
    reader = gk.Glimmer.from_t5(str(output), num_selected=1)
    assert reader.backbone.hidden_dim == 64
    out = reader.generate({"questions": "Recite Torvik", "passages": ["Torvik: a camp."]})
    assert isinstance(out["answers"], str)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--people 5", "`people` must be between 10 and"),
        ("--shorten 0", "`--shorten` must be at least 1. Received: 0"),
        ("--output .", "`--output` must be a new folder. Received: ."),
    ],
)
def test_bad_options(tmp_path, capsys, options, message):
    assert tiny_world.main(["--output", str(tmp_path / "t5"), *options.split()]) == 2
    printed = capsys.readouterr().err
    assert message in printed
    assert printed.startswith("error: ")
    assert printed.count("\n") == 1
    assert not any(tmp_path.iterdir())


def test_recitals_hold_every_order_of_the_facts_on_one_subject():
    facts = [
        ("Torvik", "year", "1863"),
        ("Mirelda Voss", "pet", "wolf"),
        ("Torvik", "crop", "hops"),
    ]
    example = tiny_world.recital(Passage("1", "Torvik", "x"), "Torvik", facts)
    assert example.question == "Recite Torvik"
    assert example.answers == ("year 1863 ; crop hops", "crop hops ; year 1863")


def test_wrong_passages_tell_what_is_asked_of_somebody_else():
    world = make_world(3, people=200, places=10, works=10)
    _, tasks = tiny_world.reading_tasks([world])
    facts = [world.facts[passage["id"]] for passage in world.passages]
    slots = next(task for task in tasks if task.name == "slots")
    alike = 0
    for example, rows in zip(slots, slots.retrieved, strict=True):
        subject, relation = example.question.split(" [SEP] ")
        told = [{fact[:2] for fact in facts[row]} for row in rows if row >= 0]
        assert len(told) == len(set(rows)) == 8
        assert [(subject, relation) in pairs for pairs in told] == [True] + 7 * [False]
        names = {name for pairs in told[1:] for name, asked in pairs if asked == relation}
        alike += any({*name.split()} & {*subject.split()} for name in names)
    assert alike > 0.8 * len(slots)
    untold = next(task for task in tasks if task.name == "untold")
    assert {example.answers for example in untold} == {("nothing",)}
    assert (untold.retrieved[:, 1:] == -1).all()
