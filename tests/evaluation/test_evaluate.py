import io

import numpy as np
from rich.console import Console

from glimmer_keras.data import Corpus, Example, Passage, Provenance, Task
from glimmer_keras.evaluation import score, score_table, score_tasks
from glimmer_keras.metrics import Scores
from glimmer_keras.pipelines import Predictions

CORPUS = Corpus([Passage(str(i), "", f"passage {i}") for i in range(4)])


def example(number, answers, gold):
    evidence = tuple((Provenance(passage_id),) for passage_id in gold)
    return Example(str(number), "qa", "q", answers, evidence)


def test_scores_by_hand():
    task = Task(
        "qa",
        [
            example(0, ("The Harp",), ["3"]),  # reranked from place 3 to place 1
            example(1, ("a b c", "x"), ["0"]),  # lost by reranking
            example(2, ("y",), ["9"]),  # its evidence is not in the corpus
        ],
    ).with_retrieved(np.array([[0, 1, 3], [0, 1, 2], [0, 1, 2]], "int32"))
    predictions = Predictions(
        ["harp", "a b", "z"],
        np.zeros((3, 3), "float32"),
        np.array([[2, 0], [1, 2], [0, 1]], "int32"),
    )
    scores = Scores()
    score(scores, task, CORPUS, predictions)
    row = scores.by_task()["qa"]
    assert row["exact_match"] == 1 / 3  # "harp" after KILT's normalisation
    assert row["accuracy"] == 0.0
    # As they are written, "a b" has 2 words of "a b c" and no other a word: F is 4/5.
    assert abs(row["rouge_l"] - 4 / 5 / 3) < 1e-8
    # "a b c" normalises to "b c", "a b" to "b": precision 1, recall 1/2
    assert abs(row["f1"] - (1 + 2 / 3) / 3) < 1e-9
    # The first passage of the first is gold; the second's is not; the third's is not there.
    assert row["r_precision"] == row["kilt_exact_match"] == row["kilt_f1"] == 1 / 3
    assert row["kilt_accuracy"] == 0.0
    # Of the two examples whose evidence is in the corpus.
    assert row["retrieved_recall"] == 1 / 2
    assert row["reranked_recall"] == 1 / 2


def test_a_table_of_tasks_has_their_average():
    tasks = [Task(name, [example(0, (gold,), ["0"])]) for name, gold in (("a", "x"), ("b", "y"))]
    predictions = {name: Predictions(["x"], None, None) for name in "ab"}
    table = score_tasks(tasks, CORPUS, predictions)
    assert {name: row["exact_match"] for name, row in table.items()} == {
        "a": 1.0,
        "b": 0.0,
        "average": 0.5,
    }


def test_without_a_scorer_no_selection_is_scored():
    task = Task("qa", [example(0, ("x",), ["0"])]).with_retrieved(np.zeros((1, 1), "int32"))
    scores = Scores()
    score(scores, task, CORPUS, Predictions(["x"], None, None))
    answers = {"exact_match", "f1", "accuracy", "rouge_l"}
    kilt = {f"kilt_{name}" for name in answers}
    assert set(scores.by_task()["qa"]) == answers | kilt | {"r_precision"}


def test_table_has_a_row_a_task():
    console = Console(width=100, file=io.StringIO())
    rows = {"qa": {"exact_match": 0.5, "f1": 0.25}, "average": {"exact_match": 0.5}}
    console.print(score_table(rows, "Scores"))
    text = console.file.getvalue()
    assert "exact match" in text
    assert "50.0" in text
    assert "25.0" in text


def test_evidence_that_names_pages_is_found_by_page():
    corpus = Corpus([Passage(f"p{n}", "", "text", page) for n, page in enumerate("AAB")])
    evidence = ((Provenance(page_id="A"), Provenance(page_id="B")), (Provenance(page_id="B"),))
    task = Task("qa", [Example("0", "qa", "q", ("x",), evidence)])
    for rows, expected in (([0, 1, 2], 1.0), ([0, 1, -1], 0.5), ([2, 0, 1], 1.0)):
        scores = Scores()
        retrieved = task.with_retrieved(np.array([rows], "int32"))
        score(scores, retrieved, corpus, Predictions(["x"], None, None))
        row = scores.by_task()["qa"]
        assert row["r_precision"] == expected
        assert row["kilt_exact_match"] == (expected == 1)
