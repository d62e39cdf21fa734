from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from glimmer_keras.retrieval.bm25_retriever import top_rows
from glimmer_keras.retrieval.retriever import Retriever

LEAST_DEPTH = 100


class FusedRetriever:
    """Several retrievers as one, by reciprocal rank fusion (Cormack et al., 2009).

    A passage has the sum of `1 / (constant + rank)` over the retrievers that find it, its rank
    counting from 1. Equal scores go to the lower row.

    Args:
        retrievers: At least two, over the same passages.
        constant: How little the first places stand out, over 0.

    Raises:
        ValueError: If an argument does not fit, or they are over other passages.

    Example:
        retriever = FusedRetriever([bm25_index(corpus), dense_index(corpus, embedder)])
    """

    def __init__(self, retrievers: Sequence[Retriever], constant: float = 60.0) -> None:
        if len(retrievers) < 2:
            raise ValueError(f"`retrievers` must be at least two. Received: {len(retrievers)}")
        sizes = [len(retriever) for retriever in retrievers]
        prints = {print for r in retrievers if (print := getattr(r, "fingerprint", ""))}
        if len(set(sizes)) > 1 or len(prints) > 1:
            raise ValueError(
                f"`retrievers` must be over the same passages. Received: {sizes} passages, "
                f"{len(prints)} fingerprints"
            )
        if not constant > 0:
            raise ValueError(f"`constant` must be over 0. Received: constant={constant}")
        self.retrievers = list(retrievers)
        self.constant = constant
        self.fingerprint = next(iter(prints), "")

    @property
    def settings(self) -> Mapping[str, Any]:
        """Settings that the ranking depends on besides the passages."""
        parts = [dict(getattr(retriever, "settings", {})) for retriever in self.retrievers]
        return {"name": "fused", "constant": self.constant, "retrievers": parts}

    def __len__(self) -> int:
        return len(self.retrievers[0])

    def __repr__(self) -> str:
        return f"FusedRetriever({self.retrievers!r})"

    def search(
        self, queries: Sequence[str], k: int, allowed: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Find the best passages for each query, of the first 100, or `k`, of each retriever.

        Args:
            queries: Any number of strings.
            k: Number of passages, at least 1.
            allowed: bool `(passages,)`, those that may be found; `None` for all.

        Returns:
            int32 rows and float32 scores `(queries, k)`, the best first; where fewer are found,
            the rest is row -1 with score 0.
        """
        more = () if allowed is None else (allowed,)
        found = [r.search(queries, max(k, LEAST_DEPTH), *more)[0] for r in self.retrievers]
        rows = np.full((len(queries), k), -1, "int32")
        scores = np.zeros((len(queries), k), "float32")
        for number, ranked in enumerate(zip(*found, strict=True)):
            candidates, places = np.unique(np.concatenate(ranked), return_inverse=True)
            ranks = np.concatenate([np.arange(1, len(row) + 1) for row in ranked])
            sums = np.bincount(places, 1 / (self.constant + ranks), len(candidates))
            there = candidates >= 0
            candidates, sums = candidates[there], sums[there]
            best = top_rows(sums, min(k, len(sums)))
            rows[number, : len(best)] = candidates[best]
            scores[number, : len(best)] = sums[best]
        return rows, scores
