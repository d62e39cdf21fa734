"""Passages and tasks of the comparisons, and what can be said of them without a reader."""

import hashlib
import statistics
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from glimmer_keras.data import Corpus, Task, read_folder
from glimmer_keras.evaluation import score_tasks
from glimmer_keras.metrics import accuracy, exact_match, found_evidence_at
from glimmer_keras.pipelines import Predictions, TrainingData, training_data
from recipes.paper.model import preprocessor
from recipes.paper.scale import Scale
from recipes.worlds.tasks import world_tasks

# Scored by accuracy, as in KILT, or like its tasks of that kind; all others by exact match.
BY_ACCURACY = {"slots", "verify", "fever", "fm2", "trex", "structured_zeroshot", "zeroshot_re"}
BY_ACCURACY |= {"docred", "fewrel"}


def load_data(scale: Scale, folder: Path, files: Path | None) -> TrainingData:
    """Passages and tasks, retrieved for the largest k; `folder` keeps what takes long to make."""
    if files is None:
        corpus, train, test = world_tasks(**(scale.world or {}))
    else:
        corpus, train, test = read_folder(files)
    if scale.test_questions:
        test = [task.take(scale.test_questions) for task in test]
    return training_data(folder, corpus, train, test, scale.most_passages, preprocessor(scale))


def describe_data(data: TrainingData, scale: Scale) -> dict[str, Any]:
    """Counts, fingerprints, what needs no reader, and how much evidence BM25 has at each depth."""
    depths = sorted({scale.num_selected, 2 * scale.num_selected, scale.num_passages})
    shares = {str(depth): evidence_shares(data, depth) for depth in depths}
    tasks = [*data.train, *data.dev]
    digest = hashlib.sha256(data.corpus.fingerprint.encode())
    for task in tasks:
        digest.update(task.fingerprint.encode())
    return {
        "passages": len(data.corpus),
        "train": {task.name: len(task) for task in data.train},
        "test": {task.name: len(task) for task in data.dev},
        "cut": {
            "passages": data.passages.truncated,
            "questions": sum(task.truncated["questions"] for task in data.dev_tokens),
        },
        "retrieved_recall": {depth: percent(by_task) for depth, by_task in shares.items()},
        "all_evidence": {
            depth: percent({name: [share == 1 for share in each] for name, each in by_task.items()})
            for depth, by_task in shares.items()
        },
        "baselines": baselines(data, scale.accuracy),
        "fingerprint": digest.hexdigest(),
    }


def evidence_shares(data: TrainingData, depth: int) -> dict[str, list[float]]:
    """By task, the share of the evidence among the first passages of each question that has any."""
    by_task = {}
    for task in data.dev:
        evidence = map(data.corpus.evidence_rows, task)
        shares = [
            found_evidence_at(retrieved, sets, depth)
            for retrieved, sets in zip(np.asarray(task.retrieved), evidence, strict=True)
            if sets
        ]
        if shares:
            by_task[task.name] = shares
    return by_task


def percent(shares: dict[str, list[float]]) -> dict[str, float]:
    """Means by task, and the average over tasks; nothing where there is none."""
    means = {name: 100 * statistics.mean(values) for name, values in shares.items()}
    return means | {"average": statistics.mean(means.values())} if means else {}


def baselines(data: TrainingData, by_accuracy: bool) -> dict[str, dict[str, Any]]:
    """What needs no reader: the commonest training answer, and the title of BM25's first."""
    majority, titles = {}, {}
    for train, test in zip(data.train, data.dev, strict=True):
        answers = Counter(answer for example in train for answer in set(example.answers))
        majority[test.name] = Predictions(
            [max(answers, key=answers.__getitem__)] * len(test), None, None
        )
        first = np.asarray(test.retrieved)[:, 0]
        first_titles = [data.corpus[row].title if row >= 0 else "" for row in first.tolist()]
        titles[test.name] = Predictions(first_titles, None, None)
    return {
        name: scores_of(data.dev, data.corpus, predictions, by_accuracy)
        for name, predictions in (
            ("Commonest training answer", majority),
            ("Title of BM25's first passage", titles),
        )
    }


def scores_of(
    tasks: list[Task], corpus: Corpus, predictions: dict[str, Predictions], by_accuracy: bool
) -> dict[str, Any]:
    """Points of 100, and a digit for every question: whether its answer is right.

    Each task by KILT's metric of its kind, or all by exact match; the mean over them, and recall@m.
    """
    correct = {}
    for task in tasks:
        metric = accuracy if by_accuracy and task.name in BY_ACCURACY else exact_match
        answers = zip(predictions[task.name].answers, task, strict=True)
        correct[task.name] = "".join(
            str(int(metric(answer, example.answers))) for answer, example in answers
        )
    scores = {name: 100 * digits.count("1") / len(digits) for name, digits in correct.items()}
    table = score_tasks(tasks, corpus, predictions)
    recall = {
        name: {kind: 100 * row[f"{kind}_recall"] for kind in ("retrieved", "reranked")}
        for name, row in table.items()
        if "reranked_recall" in row
    }
    average = sum(scores.values()) / len(scores)
    return {"scores": scores, "average": average, "recall": recall, "correct": correct}
