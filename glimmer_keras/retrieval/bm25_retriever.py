from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from glimmer_keras.retrieval.words import Words
from glimmer_keras.utils.checks import check_integer
from glimmer_keras.utils.files import new_folder
from glimmer_keras.utils.manifest import MANIFEST, read_manifest, write_manifest

VERSION = 2


class HasText(Protocol):
    """A passage with the fields that are indexed."""

    @property
    def title(self) -> str: ...
    @property
    def text(self) -> str: ...


class BM25Retriever:
    """Retrieval by BM25 over title and text, in any language; see `retrieval.words` for words.

    Made by `BM25Retriever.build` or `BM25Retriever.load`. Equal scores go to the lower row, so
    the same index always gives the same answer.

    Args:
        index: A `bm25s.BM25`.
        fingerprint: Fingerprint of the corpus that it was built from.
        stemming: Language by which its words are stemmed, or `None`.

    Example:
        retriever = BM25Retriever.build(corpus, fingerprint=corpus.fingerprint)
        rows, scores = retriever.search(["who wrote fidelio"], k=25)
    """

    def __init__(self, index: Any, fingerprint: str = "", stemming: str | None = None) -> None:
        self._index = index
        self._words = Words(stemming)
        self.fingerprint = fingerprint

    @classmethod
    def build(
        cls,
        passages: Iterable[HasText],
        *,
        k1: float = 0.9,
        b: float = 0.4,
        stemming: str | None = None,
        fingerprint: str = "",
    ) -> BM25Retriever:
        """Index passages; row `i` of what a search returns is `passages[i]`.

        Args:
            passages: At least one, with a word that is no stop word.
            k1: How much a repeated word counts, at least 0. The default, and that of `b`, is
                Pyserini's, meant for passages.
            b: How much the length of a passage counts, from 0 to 1.
            stemming: Language by which words are stemmed, such as `"english"`; needs the extra
                `stemming`.
            fingerprint: Fingerprint of the corpus, kept with the index and compared by `load`.
        """
        import bm25s

        if k1 < 0:
            raise ValueError(f"`k1` must be at least 0. Received: k1={k1}")
        if not 0 <= b <= 1:
            raise ValueError(f"`b` must be from 0 to 1. Received: b={b}")
        words = Words(stemming)(f"{passage.title} {passage.text}" for passage in passages)
        if not words:
            raise ValueError("`passages` must hold at least one passage. Received: 0 passages")
        if not any(words):
            raise ValueError("`passages` must hold a word to search for. Received: none")
        index = bm25s.BM25(k1=k1, b=b, backend="numpy")
        index.index(words, show_progress=False)
        return cls(index, fingerprint, stemming)

    @property
    def settings(self) -> dict[str, Any]:
        """Settings that the ranking depends on besides the passages."""
        stemming = {"stemming": self.stemming} if self.stemming else {}
        return {"name": "bm25", "k1": self._index.k1, "b": self._index.b, **stemming}

    @property
    def stemming(self) -> str | None:
        """Language by which words are stemmed, or `None`."""
        return self._words.stemming

    def __len__(self) -> int:
        return int(self._index.scores["num_docs"])

    def __repr__(self) -> str:
        return f"BM25Retriever({len(self)} passages, {len(self._index.vocab_dict)} words)"

    def search(
        self, queries: Sequence[str], k: int, allowed: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Find the best passages for each query.

        Args:
            queries: Any number of strings.
            k: Number of passages, at least 1.
            allowed: bool `(passages,)`, those that may be found; `None` for all.

        Returns:
            int32 rows and float32 scores `(queries, k)`, the best first. Passages that share no
            word with the query are not found: where there are fewer than `k`, the rest is row -1
            with score 0.
        """
        if isinstance(queries, str):
            raise TypeError("`queries` must be a sequence of strings. Received: one string")
        if wrong := [query for query in queries if not isinstance(query, str)]:
            raise TypeError(f"`queries` must be strings. Received: {wrong[0]!r}")
        check_integer("k", k)
        check_allowed(allowed, len(self))
        rows = np.full((len(queries), k), -1, dtype="int32")
        scores = np.zeros((len(queries), k), dtype="float32")
        count = min(k, len(self))
        for number, words in enumerate(self._words(queries)):
            token_ids = self._index.get_tokens_ids(words)
            passage_scores = self._index.get_scores_from_ids(token_ids)  # (passages,)
            if allowed is not None:
                passage_scores = np.where(allowed, passage_scores, 0)
            best = top_rows(passage_scores, count)
            best = best[passage_scores[best] > 0]
            rows[number, : len(best)] = best
            scores[number, : len(best)] = passage_scores[best]
        return rows, scores

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Save the index to a folder, which appears only when all is written.

        Raises:
            FileExistsError: If `path` is there already and `overwrite` is not set.
        """
        path = Path(path)
        if path.exists() and not overwrite:
            raise FileExistsError(
                f"`path` must not exist, or `overwrite` be set. Received: path={str(path)!r}"
            )
        manifest = {
            "num_passages": len(self),
            "fingerprint": self.fingerprint,
            "stemming": self.stemming,
        }
        with new_folder(path, replace=overwrite, alone=False) as work:
            self._index.save(work, show_progress=False, allow_pickle=False)
            write_manifest(work, manifest, VERSION)

    @staticmethod
    def is_index(path: str | Path) -> bool:
        """Tell whether a folder holds what `save` wrote, of this format or another."""
        return all((Path(path) / name).is_file() for name in (MANIFEST, "params.index.json"))

    @classmethod
    def load(cls, path: str | Path, *, fingerprint: str | None = None) -> BM25Retriever:
        """Load an index that `save` wrote; its arrays are memory-mapped.

        Args:
            path: The folder.
            fingerprint: Fingerprint of the corpus that the rows shall count in; `None` for no
                comparison.

        Raises:
            FileNotFoundError: If `path` holds no complete index.
            ValueError: If the index is of another format or another corpus, or damaged.
        """
        import bm25s

        path = Path(path)
        manifest = read_manifest(
            path,
            "a folder of `BM25Retriever.save`",
            VERSION,
            ("num_passages", "fingerprint", "stemming"),
        )
        if fingerprint is not None and manifest["fingerprint"] != fingerprint:
            raise ValueError(
                f"{path}: must be built from the corpus of fingerprint {fingerprint!r}. "
                f"Received: {manifest['fingerprint']!r}"
            )
        index = bm25s.BM25.load(path, mmap=True, load_vocab=True, allow_pickle=False)
        retriever = cls(index, manifest["fingerprint"], manifest["stemming"])
        if len(retriever) != manifest["num_passages"]:
            raise ValueError(
                f"{path}: must hold {manifest['num_passages']} passages. Received: {len(retriever)}"
            )
        return retriever


def check_allowed(allowed: np.ndarray | None, size: int) -> None:
    """Raise a `ValueError` for what does not tell of each passage whether it may be found."""
    if allowed is not None and (allowed.shape != (size,) or allowed.dtype != bool):
        raise ValueError(
            f"`allowed` must be booleans of shape ({size},). "
            f"Received: {allowed.dtype} of shape {allowed.shape}"
        )


def top_rows(scores: np.ndarray, k: int) -> np.ndarray:
    """Find the greatest scores, ties going to the lower row.

    Args:
        scores: Floats `(passages,)`.
        k: How many to find, at most `passages`.

    Returns:
        Integers `(k,)`, rows of the scores, the best first.
    """
    if k < len(scores):
        least = np.partition(scores, -k)[-k]
        above = np.flatnonzero(scores > least)
        level = np.flatnonzero(scores == least)[: k - len(above)]
        candidates = np.sort(np.concatenate([above, level]))
    else:
        candidates = np.arange(len(scores))
    return candidates[np.argsort(-scores[candidates], kind="stable")]
