from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from glimmer_keras.retrieval.bm25_retriever import check_allowed, top_rows
from glimmer_keras.retrieval.faiss_index import FaissIndex
from glimmer_keras.retrieval.vector_store import VectorStore, check_vectors
from glimmer_keras.utils.checks import check_integer

EXACT = "exact"
# Scores of so many passages and questions are in memory together.
BLOCK, QUERIES = 2**14, 2**8

Encode = Callable[[list[str]], np.ndarray]


class DenseRetriever:
    """Retrieval by the inner product of a question's vector with those of the passages.

    Without an `index` all vectors are compared, in NumPy, and equal scores go to the lower row.

    Args:
        vectors: Floats `(passages, dim)`, row `i` that of passage `i`: an array, a memory-mapped
            one, or a `VectorStore` or TensorStore, whose rows are read for each exact search.
        encode: Gives vectors `(n, dim)` of `n` questions, as `pipelines.TextVectors` does.
        index: Searched in place of the vectors, approximately if it is of that kind.
        fingerprint: Fingerprint of the passages.
        encoder_fingerprint: Fingerprint of what made the vectors.

    Example:
        retriever = DenseRetriever(vectors, encode)
        rows, scores = retriever.search(["who wrote fidelio"], k=25)
    """

    def __init__(
        self,
        vectors: Any,
        encode: Encode,
        index: FaissIndex | None = None,
        *,
        fingerprint: str = "",
        encoder_fingerprint: str = "",
    ) -> None:
        if len(vectors.shape) != 2 or not vectors.shape[0]:
            raise ValueError(
                "`vectors` must be (passages, dim), at least one. "
                f"Received: shape={tuple(vectors.shape)}"
            )
        if index is not None and len(index) != vectors.shape[0]:
            raise ValueError(
                f"`index` must be over the {vectors.shape[0]} vectors. "
                f"Received: one over {len(index)}"
            )
        self.vectors = vectors
        self.index = index
        self.fingerprint = fingerprint
        self.encoder_fingerprint = encoder_fingerprint
        self.encode = encode

    @property
    def settings(self) -> dict[str, str]:
        """Settings that the ranking depends on besides the passages."""
        search = EXACT if self.index is None else self.index.settings
        return {"name": "dense", "encoder": self.encoder_fingerprint, "search": search}

    def __len__(self) -> int:
        return int(self.vectors.shape[0])

    def __repr__(self) -> str:
        search = "exact" if self.index is None else "by FAISS"
        return f"DenseRetriever({len(self)} passages x {self.vectors.shape[1]}, {search})"

    def search(
        self, queries: Sequence[str], k: int, allowed: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Find the best passages for each query.

        Args:
            queries: Any number of strings.
            k: Number of passages, at least 1.
            allowed: bool `(passages,)`, those that may be found; `None` for all.

        Returns:
            int32 rows and float32 scores `(queries, k)`, the best first. Where there are fewer
            than `k` passages, the rest is row -1 with score 0.
        """
        if isinstance(queries, str):
            raise TypeError("`queries` must be a sequence of strings. Received: one string")
        if wrong := [query for query in queries if not isinstance(query, str)]:
            raise TypeError(f"`queries` must be strings. Received: {wrong[0]!r}")
        check_integer("k", k)
        if not len(queries):
            return np.zeros((0, k), "int32"), np.zeros((0, k), "float32")
        encoded = check_vectors(self.encode(list(queries)), np.dtype("float32"))
        if encoded.shape != (len(queries), self.vectors.shape[1]):
            raise ValueError(
                f"`encode` must give vectors {(len(queries), self.vectors.shape[1])}. "
                f"Received: shape={encoded.shape}"
            )
        check_allowed(allowed, len(self))
        if self.index is not None:
            return self.index.search(encoded, k, allowed)
        return search_exactly(self.vectors, encoded, k, allowed)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Save the vectors to a local path or URL; they can be loaded when all is written.

        An index is not kept: `load` makes one and keeps it.

        Raises:
            FileExistsError: If there are complete vectors already, or others.
        """
        store = VectorStore.create(
            path,
            len(self),
            self.vectors.shape[1],
            np.dtype(self.vectors.dtype).name,
            fingerprint=self.fingerprint,
            encoder_fingerprint=self.encoder_fingerprint,
        )
        if store.is_complete:
            raise FileExistsError(
                f"`path` must hold no complete vectors. Received: path={os.fspath(path)!r}"
            )
        for rows in store.missing_chunks():
            store[rows] = self.vectors[rows]
        store.complete()

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        encode: Encode,
        *,
        index: str = EXACT,
        parameters: str = "",
        fingerprint: str | None = None,
        encoder_fingerprint: str | None = None,
        in_memory: bool = True,
    ) -> DenseRetriever:
        """Load vectors that `save` or `pipelines.dense_index` wrote.

        Args:
            path: Local path or URL.
            encode: Gives vectors of questions.
            index: `"exact"`, or a `factory` of `FaissIndex.build`, such as `"HNSW32"`. It is
                built the first time, and kept beside the vectors.
            parameters: Parameters of searches, see `FaissIndex`.
            fingerprint: Fingerprint of the passages that the rows shall count in; `None` for no
                comparison.
            encoder_fingerprint: Fingerprint of the encoder that questions have; `None` for no
                comparison.
            in_memory: Whether all vectors are read now, as float32; otherwise an exact search
                reads them, each time.

        Raises:
            FileNotFoundError: If `path` holds no complete vectors.
            ValueError: If they are of another format, other passages or another encoder, or
                damaged.
        """
        store = VectorStore.open(path)
        manifest = store.manifest
        if fingerprint not in (None, manifest["fingerprint"]):
            raise ValueError(
                f"{store.path}: must be built from the corpus of fingerprint {fingerprint!r}. "
                f"Received: {manifest['fingerprint']!r}"
            )
        if encoder_fingerprint not in (None, manifest["encoder_fingerprint"]):
            raise ValueError(
                f"{store.path}: must be built with the encoder of fingerprint "
                f"{encoder_fingerprint!r}. Received: {manifest['encoder_fingerprint']!r}"
            )
        searched = None if index == EXACT else _kept_index(store, index, parameters)
        return cls(
            _in_memory(store) if in_memory and searched is None else store,
            encode,
            searched,
            fingerprint=manifest["fingerprint"],
            encoder_fingerprint=manifest["encoder_fingerprint"],
        )


def _in_memory(store: VectorStore) -> np.ndarray:
    """Read all vectors as float32 `(passages, dim)`."""
    vectors = np.empty(store.shape, "float32")
    for start in range(0, len(vectors), BLOCK):
        vectors[start : start + BLOCK] = store[start : start + BLOCK]
    return vectors


def _kept_index(store: VectorStore, factory: str, parameters: str) -> FaissIndex:
    """Load the index that is kept beside the vectors, or build and keep it."""
    name = f"faiss/{factory}"
    content = store.read_file(name)
    if content is not None:
        return FaissIndex.from_bytes(content, factory, parameters)
    index = FaissIndex.build(store, factory, parameters)
    store.write_file(name, index.to_bytes())
    return index


def search_exactly(
    vectors: Any, queries: np.ndarray, k: int, allowed: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Find the greatest inner products.

    Args:
        vectors: Floats `(passages, dim)`, read in slices of rows.
        queries: float32 `(queries, dim)`.
        k: Number of passages; missing ones are row -1 with score 0.
        allowed: bool `(passages,)`, or `None` for all.

    Returns:
        int32 rows and float32 scores `(queries, k)`.
    """
    rows = np.full((len(queries), k), -1, "int32")
    scores = np.full((len(queries), k), -np.inf, "float32")
    for start in range(0, vectors.shape[0], BLOCK):
        stop = min(start + BLOCK, vectors.shape[0])
        block = np.asarray(vectors[start:stop]).astype("float32", copy=False)
        numbers = np.arange(start, stop)
        if allowed is not None:
            block, numbers = block[allowed[start:stop]], numbers[allowed[start:stop]]
            if not len(block):
                continue
        for first in range(0, len(queries), QUERIES):
            products = queries[first : first + QUERIES] @ block.T  # (queries, rows of the block)
            for number, block_scores in enumerate(products, first):
                best = top_rows(block_scores, min(k, len(block_scores)))
                both = np.concatenate([scores[number], block_scores[best]])
                # Stable, and the rows before are lower: equal scores go to the lower row.
                order = np.argsort(-both, kind="stable")[:k]
                scores[number] = both[order]
                rows[number] = np.concatenate([rows[number], numbers[best]])[order]
    return rows, np.where(rows < 0, np.float32(0), scores)
