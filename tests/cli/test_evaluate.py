import json

import pytest

from glimmer_keras import pipelines
from glimmer_keras.data import Corpus, Passage, read_task
from glimmer_keras.evaluation import score_tasks
from glimmer_keras.pipelines import Answer, Predictions, RankedPassage

CORPUS = Corpus([Passage(f"p{n}", "", "text") for n in range(3)])
GOLD = [("Torvik", "p0"), ("The Harp", "p1"), ("in 1863", "p2")]
NAMES_AT_K = ("precision", "recall", "success_rate")
ANSWERS = ["torvik.", "a harp player", "1863"]


class Reader:
    """Answers the questions as it was told, each from the same passages."""

    def answer_all(self, questions, passage_ids=None):
        passages = tuple(
            RankedPassage(f"p{n}", "", "text", float(-n), n == 1, n + 1, None) for n in (1, 0)
        )
        for question in questions:
            yield Answer(question, ANSWERS[int(question)], passages)


@pytest.fixture
def files(tmp_path):
    """A gold file and predictions for it, as `write_predictions` makes them, and the task."""
    gold, predictions = tmp_path / "gold.jsonl", tmp_path / "predictions.jsonl"
    lines = [
        {
            "id": f"q{n}",
            "input": str(n),
            "output": [{"answer": answer, "provenance": [{"passage_id": passage}]}],
        }
        for n, (answer, passage) in enumerate(GOLD)
    ]
    gold.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    task = read_task(gold, "qa")
    pipelines.write_predictions(Reader(), task, predictions)
    return gold, predictions, task


def test_written_predictions_score_as_they_do_in_python(files, glimmer):
    gold, predictions, task = files
    answers = list(Reader().answer_all([example.question for example in task]))
    table = score_tasks([task], CORPUS, {"qa": Predictions.from_answers(answers)})
    status, said, told = glimmer("evaluate", gold, predictions, "--json", "--rank-keys=passage_id")
    assert (status, told) == (0, "")
    scores = json.loads(said)
    names = {"em": "exact_match", "f1": "f1", "accuracy": "accuracy", "rougel": "rouge_l"}
    assert scores["downstream"] == {name: table["qa"][ours] for name, ours in names.items()}
    # "harp player": 1 of 2 words in 1; "1863": 1 of 1 in 2
    assert scores["downstream"]["f1"] == pytest.approx((1 + 2 / 3 + 2 / 3) / 3)
    # Passages p1 and p0 were ranked for each.
    assert scores["retrieval"]["Rprec"] == scores["retrieval"]["precision@1"] == 1 / 3
    assert scores["retrieval"]["recall@20"] == 2 / 3
    assert scores["kilt"]["KILT-f1"] == pytest.approx(2 / 3 / 3)


def test_table_and_settings(files, glimmer):
    status, said, told = glimmer("evaluate", *files[:2], "--k=2,7", "--rank-keys", "passage_id")
    assert (status, told) == (0, "")
    shown = [line.split("│")[1:3] for line in said.splitlines() if line.startswith("│")]
    names = [name.strip() for name, _ in shown]
    assert names[-6:] == [f"{name}@{k}" for k in (2, 7) for name in NAMES_AT_K]
    assert ["precision@2", "33.33"] in [[part.strip() for part in row] for row in shown]


def test_a_field_that_is_not_there_is_told_of(files, glimmer):
    status, said, told = glimmer("evaluate", *files[:2])
    assert (status, said) == (1, "")
    assert "no provenance has wikipedia_id" in told
    status, said, _ = glimmer("evaluate", *files[:2], "--answers-only", "--json")
    assert status == 0
    assert list(json.loads(said)) == ["downstream"]


def test_errors_are_one_line(files, glimmer):
    gold, predictions, _ = files
    lines = predictions.read_text().splitlines()
    predictions.write_text("\n".join(lines[::-1]))
    status, said, told = glimmer("evaluate", gold, predictions)
    assert (status, said) == (1, "")
    assert told.startswith(f"glimmer: error: {predictions}:1: predictions must be in the order")
    assert told.count("\n") == 1
    order = ("--any-order", "--retrieval-only", "--json", "--rank-keys", "passage_id")
    status, said, _ = glimmer("evaluate", gold, predictions, *order)
    assert status == 0
    assert json.loads(said)["retrieval"]["Rprec"] == 1 / 3
    status, _, told = glimmer("evaluate", gold, predictions, "-k", "0")
    assert (status, told.count("\n")) == (1, 1)
    assert "`ks` must be numbers of at least 1" in told
    assert glimmer("evaluate", gold, predictions.with_name("none"))[0] == 1
