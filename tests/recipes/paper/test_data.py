import dataclasses
from types import SimpleNamespace

import numpy as np

from glimmer_keras.data import Corpus, Example, Passage, Provenance, Task
from glimmer_keras.pipelines import Predictions, TrainingData
from recipes.paper.data import baselines, describe_data, scores_of
from recipes.paper.scale import TINY


def test_scores_are_those_of_kilt():
    """Slots by accuracy, where case counts, unless told; questions by exact match."""
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
    found = scores_of(tasks, corpus, predictions, True)
    assert found["correct"] == {"qa": "10", "slots": "01"}
    assert found["scores"] == {"qa": 50.0, "slots": 50.0}
    assert found["average"] == 50.0
    assert scores_of(tasks, corpus, predictions, False)["scores"] == {"qa": 50.0, "slots": 100.0}
    assert found["recall"]["average"] == {"retrieved": 0.0, "reranked": 50.0}


def test_baselines_by_hand():
    corpus = Corpus([Passage("1", "Torvik", "a"), Passage("2", "Dunvale", "b")])
    train = Task("qa", [Example(str(n), "qa", "?", ("Almere",)) for n in range(2)])
    train = Task("qa", [*train, Example("2", "qa", "?", ("Torvik", "Bresk"))])
    test = Task("qa", [Example(a, "qa", "?", (a,)) for a in ("Almere", "Torvik", "Dunvale", "b")])
    test = test.with_retrieved(np.array([[1, 0], [0, 1], [1, 0], [-1, -1]], "int32"))
    found = baselines(TrainingData(corpus, None, [train], [], [test], []), True)
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
    bare = dataclasses.replace(data, train=test[1:], dev=test[1:])
    assert describe_data(bare, scale)["retrieved_recall"] == {"1": {}, "2": {}, "3": {}}
