"""What a reader that is not trained on tells of each passage: kept, and its recall."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from keras import ops
from rich.table import Table

import glimmer_keras as gk
from glimmer_keras.data import Corpus, Task
from glimmer_keras.layers.passage_scorer import rank_prior
from glimmer_keras.pipelines import CorpusMemory, TrainingData, answer_likelihoods
from glimmer_keras.utils.files import write_file

PARTS = ("held", "train")
PASSAGES_AT_ONCE = 64
LEAST = -1e4  # a missing passage's, for the loss

# By part and task, `(questions, passages)`.
Likelihoods = dict[tuple[str, str], np.ndarray]


def likelihoods(
    reader: gk.Glimmer, data: TrainingData, memory: CorpusMemory, folder: Path
) -> Likelihoods:
    """How likely a reader finds the answer in each passage alone; what `folder` has is read."""
    kept = {}
    folder.mkdir(parents=True, exist_ok=True)
    tasks = (
        zip(data.dev, data.dev_tokens, strict=True),
        zip(data.train, data.train_tokens, strict=True),
    )
    for part, pairs in zip(PARTS, tasks, strict=True):
        for task, tokens in pairs:
            file = folder / f"{part}-{task.name}-{task.fingerprint[:16]}.npy"
            if not file.is_file():
                found = answer_likelihoods(reader, tokens, memory, PASSAGES_AT_ONCE, "sum")
                content = io.BytesIO()
                np.save(content, np.maximum(found, LEAST))
                write_file(file, content.getvalue())
            kept[part, task.name] = np.load(file)
    return kept


def ceiling(data: TrainingData, kept: Likelihoods, best: int) -> Table:
    """Recall of gold passages among the `best` first, by whose order they are taken."""
    table = Table("held-out questions", title=f"recall@{best}, any gold passage")
    for name in ("BM25", "likelihood", "likelihood x prior"):
        table.add_column(name, justify="right")
    rows = []
    for task in data.dev:
        told = kept["held", task.name]
        prior = ops.convert_to_numpy(rank_prior(told))
        rows.append([recall(data.corpus, task, o, best) for o in (prior, told, told + prior)])
        table.add_row(task.name, *(f"{value:.1f}" for value in rows[-1]))
    if rows:
        table.add_row("average", *(f"{value:.1f}" for value in np.mean(rows, axis=0)))
    return table


def recall(corpus: Corpus, task: Task, order: np.ndarray, best: int) -> float:
    """Percent of the questions that have a gold passage among those of the highest `order`."""
    found = []
    for row, scores, example in zip(task.rows(slice(None)), order, task, strict=True):
        gold = {r for rows in corpus.evidence_rows(example) for r in rows}
        if gold:
            first = row[np.argsort(-scores, kind="stable")][:best]
            found.append(bool(gold & set(first.tolist())))
    return 100 * float(np.mean(found))
