from collections.abc import Sequence
from typing import Protocol

import numpy as np


class Retriever(Protocol):
    """First-stage retrieval: `BM25Retriever`, `DenseRetriever`, or anything of this form."""

    def __len__(self) -> int:
        """Number of passages; rows count from 0 to one less."""

    def search(
        self, queries: Sequence[str], k: int, allowed: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Find the best passages for each query.

        Args:
            queries: Any number of strings.
            k: Number of passages, at least 1.
            allowed: bool `(passages,)`, those that may be found; `None` for all. Given only where a
                filter is.

        Returns:
            int32 rows and float32 scores `(queries, k)`, the best first. Where there are fewer
            than `k` passages, the rest is row -1 with score 0.
        """
