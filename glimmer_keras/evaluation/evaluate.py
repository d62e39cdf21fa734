from collections.abc import Mapping, Sequence

import numpy as np
from rich.table import Table

from glimmer_keras.data import Corpus, Example, PassageInputs, Task, TokenizedTask
from glimmer_keras.metrics import (
    Scores,
    accuracy,
    exact_match,
    f1,
    found_evidence_at,
    r_precision,
    rouge_l,
)
from glimmer_keras.models import Glimmer
from glimmer_keras.pipelines import Predictions, predict

ANSWER_METRICS = {"exact_match": exact_match, "f1": f1, "accuracy": accuracy, "rouge_l": rouge_l}


def evaluate(
    glimmer: Glimmer,
    tasks: Sequence[Task],
    corpus: Corpus,
    tokenized_tasks: Sequence[TokenizedTask],
    tokenized_corpus: PassageInputs,
    batch_size: int = 32,
    progress: bool = True,
) -> tuple[dict[str, dict[str, float]], dict[str, Predictions]]:
    """Answer the tasks and score the answers and the passages, by task and averaged.

    Args:
        glimmer: The model.
        tasks: Tasks with their retrieved rows set, which hold the gold answers and evidence.
        corpus: The passages.
        tokenized_tasks: The same tasks as token ids, in the same order.
        tokenized_corpus: The same passages as token ids, or as `pipelines.CorpusMemory`.
        batch_size: Questions answered at once.
        progress: Whether to show a progress bar for each task.

    Returns:
        A table, task by metric with a row `"average"` last (see `score`), and the predictions of
        every task.
    """
    predictions = {
        task.name: predict(glimmer, tokens, tokenized_corpus, batch_size, progress)
        for task, tokens in zip(tasks, tokenized_tasks, strict=True)
    }
    return score_tasks(tasks, corpus, predictions), predictions


def score_tasks(
    tasks: Sequence[Task], corpus: Corpus, predictions: Mapping[str, Predictions]
) -> dict[str, dict[str, float]]:
    """Make the table of `evaluate` from predictions for each task by name."""
    scores = Scores()
    for task in tasks:
        score(scores, task, corpus, predictions[task.name])
    return {**scores.by_task(), "average": scores.average()}


def score(scores: Scores, task: Task, corpus: Corpus, predictions: Predictions) -> None:
    """Add a task's scores: KILT's `ANSWER_METRICS` over all gold answers.

    Where the task has evidence also `r_precision`, of pages if it names pages and else of passages,
    and KILT's combined scores, `kilt_exact_match` and so on: those of answers whose R-precision is
    1, else 0. As in KILT, evidence that is not in the corpus was not found.

    With a scorer also, for the `m` that the model selects, `retrieved_recall`: recall@m of gold
    passages as they were retrieved, and `reranked_recall`: after reranking. Examples whose
    evidence is not in the corpus do not count there.
    """
    metrics: dict[str, list[float]] = {name: [] for name in ANSWER_METRICS}
    selected = predictions.selected_passages
    if selected is not None:
        metrics |= {"retrieved_recall": [], "reranked_recall": []}
    retrieved = task.retrieved
    ranked = retrieved if any(example.evidence for example in task) else None
    if ranked is not None:
        metrics |= {"r_precision": []} | {f"kilt_{name}": [] for name in ANSWER_METRICS}
        ranking = None if selected is None else predictions.ranking()
    for number, (example, answer) in enumerate(zip(task, predictions.answers, strict=True)):
        for name, metric in ANSWER_METRICS.items():
            metrics[name].append(metric(answer, example.answers))
        if ranked is not None:
            rows = ranked[number]
            rows = rows if ranking is None else rows[ranking[number]]
            found = _r_precision(example, corpus, rows[rows >= 0].tolist())
            metrics["r_precision"].append(found)
            for name in ANSWER_METRICS:
                metrics[f"kilt_{name}"].append(metrics[name][-1] if found == 1 else 0.0)
        evidence = corpus.evidence_rows(example)
        if selected is None or not evidence or retrieved is None:
            continue
        m = selected.shape[1]
        reranked = np.where(selected[number] < 0, -1, retrieved[number][selected[number]])
        metrics["retrieved_recall"].append(found_evidence_at(retrieved[number], evidence, m))
        metrics["reranked_recall"].append(found_evidence_at(reranked, evidence, m))
    scores.update(task.name, **metrics)


def _r_precision(example: Example, corpus: Corpus, rows: Sequence[int]) -> float:
    """R-precision of passages in their order, by page if the evidence names pages."""
    if not example.evidence:
        return 0.0
    passages = [corpus[row] for row in rows]
    if any(piece.page_id for pieces in example.evidence for piece in pieces):
        sets = [{piece.page_id for piece in pieces} for pieces in example.evidence]
        return r_precision([passage.page_id for passage in passages], sets)
    sets = [{piece.passage_id for piece in pieces} for pieces in example.evidence]
    return r_precision([passage.id for passage in passages], sets)


def score_table(rows: dict[str, dict[str, float]], title: str) -> Table:
    """Lay the table of `evaluate` out for a console, in percent."""
    names = list(dict.fromkeys(name for row in rows.values() for name in row))
    table = Table("task", title=title)
    for name in names:
        table.add_column(name.replace("_", " "), justify="right")
    for task, row in rows.items():
        cells = (f"{100 * row[name]:.1f}" if name in row else "" for name in names)
        table.add_row(task, *cells)
    return table
