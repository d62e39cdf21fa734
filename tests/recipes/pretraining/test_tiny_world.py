import functools
import json

import pytest

import glimmer_keras as gk
from glimmer_keras.data import Passage
from recipes import fictional_world, pretrain_tiny_t5
from tests import EAGERLY


def test_tiny_run_writes_a_preset_that_loads(tmp_path, monkeypatch):
    # The first and the last phase: one passage, and reranking of eight.
    monkeypatch.setattr(pretrain_tiny_t5, "PHASES", pretrain_tiny_t5.PHASES[::10])
    monkeypatch.setattr(pretrain_tiny_t5, "WORLD_SEEDS", pretrain_tiny_t5.WORLD_SEEDS[:1])
    compiled = functools.partialmethod(gk.Glimmer.compile, run_eagerly=EAGERLY)
    monkeypatch.setattr(gk.Glimmer, "compile", compiled)
    output = tmp_path / "tiny"
    command = ["--output", str(output), "--shorten", "500", "--people", "60"]
    assert pretrain_tiny_t5.main(command) == 0
    report = json.loads((output / "report.json").read_text())
    assert [phase["steps"] for phase in report["phases"]] == [2, 8]
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
    assert pretrain_tiny_t5.main(["--output", str(tmp_path / "t5"), *options.split()]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert not any(tmp_path.iterdir())


def test_recitals_hold_every_order_of_the_facts_on_one_subject():
    facts = [
        ("Torvik", "year", "1863"),
        ("Mirelda Voss", "pet", "wolf"),
        ("Torvik", "crop", "hops"),
    ]
    example = pretrain_tiny_t5.recital(Passage("1", "Torvik", "x"), "Torvik", facts)
    assert example.question == "Recite Torvik"
    assert example.answers == ("year 1863 ; crop hops", "crop hops ; year 1863")


def test_wrong_passages_tell_what_is_asked_of_somebody_else():
    world = fictional_world.make_world(3, people=200, places=10, works=10)
    _, tasks = pretrain_tiny_t5.reading_tasks([world])
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
