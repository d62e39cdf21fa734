from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from glimmer_keras.data import TokenizedCorpus, TokenizedTask
from glimmer_keras.models import Glimmer
from glimmer_keras.pipelines.answer import Answer
from glimmer_keras.utils.progress import track


@dataclass(frozen=True)
class Predictions:
    """Answers to all examples of a task, in order.

    Args:
        answers: A string for each example.
        passage_scores: float32 `(examples, passages)`, relevance of each retrieved passage and
            -1e9 for a missing one; `None` without a scorer.
        selected_passages: int32 `(examples, m)`, columns of the retrieved rows, best first, and
            -1 where there are fewer passages; `None` without a scorer.
    """

    answers: list[str]
    passage_scores: np.ndarray | None
    selected_passages: np.ndarray | None

    @classmethod
    def from_answers(cls, answers: Sequence[Answer]) -> Predictions:
        """What a `Reader` answered; columns are places among the passages retrieved."""
        texts = [answer.text for answer in answers]
        if any(passage.score is None for answer in answers for passage in answer.passages):
            return cls(texts, None, None)
        k = max(len(answer.passages) for answer in answers)
        m = max(len(answer.selected) for answer in answers)
        scores = np.full((len(answers), k), -1e9, "float32")
        selected = np.full((len(answers), m), -1, "int32")
        for row, answer in enumerate(answers):
            for passage in answer.passages:
                scores[row, passage.retrieval_rank - 1] = passage.score
            columns = [passage.retrieval_rank - 1 for passage in answer.selected]
            selected[row, : len(columns)] = columns
        return cls(texts, scores, selected)

    def ranking(self) -> np.ndarray | None:
        """int64 `(examples, passages)`: columns of the retrieved rows, best first."""
        if self.passage_scores is None:
            return None
        return np.argsort(-self.passage_scores, axis=1, kind="stable")


def predict(
    glimmer: Glimmer,
    task: TokenizedTask,
    corpus: TokenizedCorpus,
    batch_size: int = 32,
    progress: bool = True,
) -> Predictions:
    """Answer every question of a task with `Glimmer.generate`, in batches of one shape."""
    answers: list[str] = []
    columns: dict[str, list[np.ndarray]] = {"passage_scores": [], "selected_passages": []}
    batches = list(_batches(len(task), batch_size))
    for rows in track(batches, f"Answering {task.name}", "batches", show=progress):
        inputs, _, _ = task.batch(rows, np.zeros_like(rows), corpus)
        outputs = glimmer.generate(inputs)
        new = min(batch_size, len(task) - len(answers))
        answers += outputs.pop("answers")[:new]
        for name, value in outputs.items():
            columns[name].append(np.asarray(value)[:new])
    joined = {name: np.concatenate(parts) if parts else None for name, parts in columns.items()}
    return Predictions(answers, joined["passage_scores"], joined["selected_passages"])


def _batches(examples: int, size: int) -> Iterator[np.ndarray]:
    """Numbers of examples; the last batch is filled up with the last example."""
    for start in range(0, examples, size):
        yield np.minimum(np.arange(start, start + size), examples - 1)
