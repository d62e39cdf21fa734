from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from glimmer_keras.data import Corpus, PassageInputs, Task, TokenizedTask
from glimmer_keras.data.task_base import fit_columns
from glimmer_keras.models import Glimmer
from glimmer_keras.pipelines.answer import Answer, best_first
from glimmer_keras.pipelines.answerer import Answerer
from glimmer_keras.pipelines.kilt_files import provenance
from glimmer_keras.pipelines.passage_filter import passes, plain
from glimmer_keras.utils.files import write_file
from glimmer_keras.utils.progress import track

logger = logging.getLogger("glimmer_keras")


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
        """Take what a `Reader` answered; columns are places among the passages retrieved."""
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
        """Rank as in an `Answer`: int64 `(examples, passages)`, columns, best first."""
        if self.passage_scores is None or self.selected_passages is None:
            return None
        return best_first(self.passage_scores, self.selected_passages)


def predict(
    glimmer: Glimmer,
    task: TokenizedTask,
    corpus: PassageInputs,
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
        for name, column in columns.items():
            if name in outputs:
                column.append(np.asarray(outputs[name])[:new])
    joined = {name: np.concatenate(parts) if parts else None for name, parts in columns.items()}
    return Predictions(answers, joined["passage_scores"], joined["selected_passages"])


def write_predictions(
    reader: Answerer,
    task: Task,
    path: str | Path,
    settings: Mapping[str, Any] | None = None,
    progress: bool = True,
    corpus: Corpus | None = None,
    where: Mapping[str, str | Collection[str]] | None = None,
) -> None:
    """Answer the questions of a task into a file of KILT predictions, JSON lines.

    Each is `{"id", "output": [{"answer", "provenance": [{"passage_id", "title", "score"}]}]}`,
    with all passages, the selected ones first and then the others, each by score. A passage that
    was cut from a page has its `wikipedia_id`, `start_paragraph_id` and `end_paragraph_id` first,
    by which KILT's evaluator counts. The file appears when all is written. Interrupted and called
    again with the same `settings`, it goes on where it was.

    Args:
        reader: Answers the questions.
        task: The questions and their ids.
        path: The file, replaced if it is there.
        settings: What the answers depend on, as plain values.
        progress: Whether to show a progress bar in a terminal.
        corpus: In which the task's retrieved rows count, if it has any: these passages are read,
            as many as the reader takes, in place of its retriever's.
        where: Which passages may be read, as in `Answerer.answer`; of those retrieved before, the
            others are passed over.

    Raises:
        OSError: If it cannot be written.
        ValueError: If `corpus` is given for a task without retrieved rows.
    """
    part = Path(f"{path}.part")
    made_of: dict[str, Any] = {"settings": settings, "task": task.fingerprint}
    if where is not None:
        made_of["where"] = plain(where)
    chosen = None
    if corpus is not None:
        rows = fit_columns(task.rows(slice(None)), reader.num_passages)
        made_of["retrieved"] = hashlib.sha256(np.ascontiguousarray(rows).tobytes()).hexdigest()
        found = [[corpus[row] for row in places if row >= 0] for places in rows.tolist()]
        chosen = [[p.id for p in row if where is None or passes(p, where)] for row in found]
    header = json.dumps(made_of, sort_keys=True) + "\n"
    lines = _finished(part, header)
    left = list(task)[len(lines) :]
    answers = track(
        reader.answer_all(
            (example.question for example in left),
            chosen and chosen[len(lines) :],
            *([] if where is None else [where]),
        ),
        f"Answering {task.name}",
        "questions",
        len(left),
        progress,
    )
    write_file(part, header + "".join(lines))
    with part.open("a", encoding="utf-8") as file:
        for example, answer in zip(left, answers, strict=True):
            lines.append(json.dumps(prediction(example.id, answer), ensure_ascii=False) + "\n")
            file.write(lines[-1])
            file.flush()
    write_file(path, "".join(lines))
    part.unlink()
    if cut := getattr(reader, "questions_cut", 0):
        logger.warning(
            "%d of %d questions were cut to %d tokens", cut, len(left), reader.question_length
        )


def prediction(example_id: str, answer: Answer) -> dict[str, Any]:
    """Give a line of KILT predictions."""
    pieces = [provenance(passage) | {"score": passage.score} for passage in answer.passages]
    return {"id": example_id, "output": [{"answer": answer.text, "provenance": pieces}]}


def _batches(examples: int, size: int) -> Iterator[np.ndarray]:
    """Give numbers of examples; the last batch is filled up with the last example."""
    for start in range(0, examples, size):
        yield np.minimum(np.arange(start, start + size), examples - 1)


def _finished(part: Path, header: str) -> list[str]:
    """Read whole lines of an interrupted run of the same settings."""
    with suppress(FileNotFoundError, UnicodeDecodeError):
        # Not `splitlines`: an answer may hold other ends of lines. The last line may be cut off.
        first, *lines = part.read_text(encoding="utf-8").split("\n")
        if f"{first}\n" == header:
            return [f"{line}\n" for line in lines[:-1]]
    return []
