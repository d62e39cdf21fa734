import hashlib
import json
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any, overload

import numpy as np

from glimmer_keras.data.corpus import Corpus
from glimmer_keras.data.example import Example
from glimmer_keras.data.task_base import TaskBase
from glimmer_keras.utils.checks import check_integer


class Task(TaskBase, Sequence[Example]):
    """A named sequence of examples, with the passages retrieved for each.

    It holds strings; `tokenize_task` makes a `TokenizedTask` of it.

    Args:
        name: Name of the task.
        examples: At least one.
        retrieved: Integers `(examples, passages)`, rows of the corpus, the best first, -1 where
            a passage is missing; `None` before retrieval.

    Raises:
        ValueError: If there is no example, or `retrieved` does not fit them.
    """

    def __init__(
        self, name: str, examples: Iterable[Example], retrieved: np.ndarray | None = None
    ) -> None:
        self._examples = list(examples)
        if not self._examples:
            raise ValueError(f"`examples` must hold at least one. Received: 0 in task {name!r}")
        super().__init__(name, retrieved)

    def __len__(self) -> int:
        return len(self._examples)

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> list[Example]: ...
    def __getitem__(self, index: int | slice) -> Example | list[Example]:
        return self._examples[index]

    def __repr__(self) -> str:
        retrieved = None if self.retrieved is None else self.retrieved.shape
        return f"Task({self.name!r}, {len(self)} examples, retrieved={retrieved})"

    @cached_property
    def answer_counts(self) -> np.ndarray:
        """int64 `(examples,)`: the number of gold answers of each example."""
        return np.array([len(example.answers) for example in self._examples], dtype="int64")

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the questions and answers in their order, in hexadecimal."""
        digest = hashlib.sha256()
        for example in self._examples:
            digest.update(json.dumps([example.question, example.answers]).encode() + b"\n")
        return digest.hexdigest()

    def take(self, count: int) -> "Task":
        """Take the first `count` examples, all where there are fewer."""
        check_integer("count", count)
        return self.select(np.arange(min(count, len(self))))

    def select(self, indices: np.ndarray) -> "Task":
        """Take the examples with these numbers `(examples,)`, with their retrieved rows."""
        retrieved = None if self.retrieved is None else self.retrieved[indices]
        return Task(self.name, [self._examples[index] for index in indices], retrieved)

    def batch(self, indices: np.ndarray, answers: np.ndarray, corpus: Corpus) -> dict[str, Any]:
        """Put the strings of a batch together.

        Args:
            indices: Integers `(batch,)`, numbers of examples.
            answers: Integers `(batch,)`, which gold answer of each; one that is not known gives
                an empty string.
            corpus: The corpus that the retrieved rows count in.

        Returns:
            Object arrays of strings: `questions` `(batch,)`, `passages` `(batch, passages)`,
            empty where one is missing, and `answers` `(batch,)`.
        """
        rows = self.rows(indices)
        examples = [self._examples[index] for index in indices]
        passages = np.empty(rows.shape, dtype=object)
        for place, row in np.ndenumerate(rows):
            passages[place] = corpus[row].content if row >= 0 else ""
        chosen = zip(examples, answers, strict=True)
        return {
            "questions": np.array([example.question for example in examples], dtype=object),
            "passages": passages,
            "answers": np.array([e.answers[a] if e.answers else "" for e, a in chosen], object),
        }
