from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from typing import Any, Self

import numpy as np


class TaskBase(ABC):
    """Named questions with the passages that were retrieved for each.

    `Task` has them as strings, `TokenizedTask` as token ids: the two say what a batch is.

    Args:
        name: Name of the task.
        retrieved: Integers `(examples, passages)`, rows of the corpus, the best first, -1 where a
            passage is missing; `None` before retrieval. `len(self)` must work before.
    """

    def __init__(self, name: str, retrieved: np.ndarray | None) -> None:
        self.name = name
        self.retrieved = None if retrieved is None else check_retrieved(retrieved, len(self))

    @abstractmethod
    def __len__(self) -> int:
        """Number of examples."""

    @property
    @abstractmethod
    def answer_counts(self) -> np.ndarray:
        """int64 `(examples,)`: the number of gold answers of each example."""

    @abstractmethod
    def batch(self, indices: np.ndarray, answers: np.ndarray, corpus: Any) -> Any:
        """Put a batch together.

        Args:
            indices: Integers `(batch,)`, numbers of examples.
            answers: Integers `(batch,)`, which gold answer of each.
            corpus: The corpus that the retrieved rows count in.
        """

    def with_retrieved(self, rows: np.ndarray) -> Self:
        """Make the same task with other retrieved rows `(examples, passages)`."""
        task = copy.copy(self)
        task.retrieved = check_retrieved(rows, len(self))
        return task

    def rows(self, indices: np.ndarray | slice) -> np.ndarray:
        """Look up the retrieved rows `(batch, passages)` of examples.

        Args:
            indices: Integers `(batch,)`, numbers of examples, or a slice of them.
        """
        if self.retrieved is None:
            raise ValueError(f"`retrieved` must be set. Received: None in task {self.name!r}")
        return self.retrieved[indices]


def check_retrieved(rows: np.ndarray, examples: int) -> np.ndarray:
    """Check retrieved rows, and give them as int32 `(examples, passages)`.

    They are copied unless they are read-only, as mapped files are.

    Raises:
        TypeError: If they are not integers.
        ValueError: If the shape does not fit, or a row is below -1.
    """
    rows = np.asarray(rows)
    if not np.issubdtype(rows.dtype, np.integer):
        raise TypeError(f"`retrieved` must hold integers. Received: dtype={rows.dtype}")
    if rows.ndim != 2 or rows.shape[0] != examples or rows.shape[1] < 1:
        raise ValueError(
            f"`retrieved` must be of shape ({examples}, passages). Received: shape={rows.shape}"
        )
    if rows.size and rows.min() < -1:
        raise ValueError(
            "`retrieved` must hold rows of the corpus, or -1 for a missing passage. "
            f"Received: {rows.min()}"
        )
    return rows.astype("int32", copy=rows.flags.writeable)


def fit_columns(rows: np.ndarray, count: int) -> np.ndarray:
    """Cut retrieved rows `(examples, passages)` to `count` columns, or fill up with -1."""
    rows, missing = rows[:, :count], count - rows.shape[1]
    return np.pad(rows, ((0, 0), (0, missing)), constant_values=-1) if missing > 0 else rows
