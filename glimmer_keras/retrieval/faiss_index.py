from __future__ import annotations

from typing import Any

import numpy as np

# Rows that are added together, and those that a partition is learned from.
BLOCK = 2**14
TRAINING_ROWS = 2**18


class FaissIndex:
    """An index of FAISS over vectors, by inner product; it needs the extra `faiss`.

    Made by `FaissIndex.build` or `FaissIndex.from_bytes`.

    Args:
        index: A `faiss.Index`.
        factory: Description of the index, as FAISS writes it.
        parameters: Parameters of searches, as FAISS writes them: `"efSearch=64"` for HNSW,
            `"nprobe=16"` for IVF. More finds more and takes longer. Empty for FAISS's own.

    Example:
        index = FaissIndex.build(vectors, "HNSW32", "efSearch=64")
        retriever = DenseRetriever(vectors, encode, index=index)
    """

    def __init__(self, index: Any, factory: str, parameters: str = "") -> None:
        self._index = index
        self.settings = f"{factory} {parameters}".strip()
        if parameters:
            try:
                _faiss().ParameterSpace().set_index_parameters(index, parameters)
            except RuntimeError as error:
                raise ValueError(
                    "`parameters` must be ones that FAISS has for this index. "
                    f"Received: parameters={parameters!r}"
                ) from error

    @classmethod
    def build(cls, vectors: Any, factory: str, parameters: str = "") -> FaissIndex:
        """Index vectors.

        Args:
            vectors: Floats `(passages, dim)`: an array, or what gives one for a slice of rows.
            factory: As FAISS writes it: `"Flat"` (exact), `"HNSW32"`, `"IVF1024,Flat"` ...
            parameters: Parameters of searches.

        Raises:
            ImportError: If FAISS is not installed.
            ValueError: If FAISS knows no such index, or there are too few vectors for it.
        """
        rows, dim = vectors.shape
        index = cls.check(factory, dim, parameters)._index
        try:
            if not index.is_trained:
                index.train(_float32(vectors, slice(None, None, -(-rows // TRAINING_ROWS))))
        except RuntimeError as error:
            raise ValueError(
                "`index` must be 'exact' or an index that FAISS can make of "
                f"{rows} x {dim} vectors ({str(error).rpartition(': ')[2]}). "
                f"Received: index={factory!r}"
            ) from error
        for start in range(0, rows, BLOCK):
            index.add(_float32(vectors, slice(start, min(start + BLOCK, rows))))
        return cls(index, factory, parameters)

    @classmethod
    def check(cls, factory: str, dim: int, parameters: str = "") -> FaissIndex:
        """Make an empty index, or raise what `build` would raise before there are vectors."""
        faiss = _faiss()
        try:
            index = faiss.index_factory(dim, factory, faiss.METRIC_INNER_PRODUCT)
        except RuntimeError as error:
            raise ValueError(
                f"`index` must be 'exact' or an index of FAISS for {dim} dimensions "
                f"({str(error).rpartition(': ')[2]}). Received: index={factory!r}"
            ) from error
        return cls(index, factory, parameters)

    def __len__(self) -> int:
        return int(self._index.ntotal)

    def search(
        self, queries: np.ndarray, k: int, allowed: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Find the vectors of the greatest inner products.

        Equal scores go to the lower row, of those that FAISS has found. What it has not found is
        row -1 with score 0.

        Args:
            queries: Floats `(queries, dim)`.
            k: Number of vectors for each.
            allowed: bool `(passages,)`, those that may be found; `None` for all.

        Returns:
            int32 rows and float32 scores `(queries, k)`.

        Raises:
            ValueError: If `allowed` is given to a kind of index that FAISS cannot filter.
        """
        more = {} if allowed is None else {"params": self._selecting(allowed)}
        scores, rows = self._index.search(np.ascontiguousarray(queries, "float32"), k, **more)
        order = np.lexsort((rows, -scores), axis=-1)
        rows = np.take_along_axis(rows, order, -1).astype("int32")
        return rows, np.where(rows < 0, 0, np.take_along_axis(scores, order, -1))

    def _selecting(self, allowed: np.ndarray) -> Any:
        """The parameters of a search among some vectors."""
        faiss, index = _faiss(), self._index
        selector = faiss.IDSelectorBatch(np.flatnonzero(allowed))
        if isinstance(index, faiss.IndexHNSW):
            return faiss.SearchParametersHNSW(sel=selector, efSearch=index.hnsw.efSearch)
        if isinstance(index, faiss.IndexIVF):
            return faiss.SearchParametersIVF(sel=selector, nprobe=index.nprobe)
        if isinstance(index, faiss.IndexFlat):
            return faiss.SearchParameters(sel=selector)
        raise ValueError(
            "`index` must be exact, Flat, HNSW or IVF where passages are filtered. "
            f"Received: {self.settings}"
        )

    def to_bytes(self) -> bytes:
        """Write the index as FAISS does."""
        return _faiss().serialize_index(self._index).tobytes()

    @classmethod
    def from_bytes(cls, content: bytes, factory: str, parameters: str = "") -> FaissIndex:
        """Read what `to_bytes` gave; FAISS does not check it, so it must come from there."""
        index = _faiss().deserialize_index(np.frombuffer(content, "uint8"))
        return cls(index, factory, parameters)


def _float32(vectors: Any, rows: slice) -> np.ndarray:
    return np.ascontiguousarray(vectors[rows], "float32")


def _faiss() -> Any:
    try:
        import faiss
    except ImportError as error:
        raise ImportError(
            "an index of FAISS needs an extra: pip install glimmer_keras[faiss]"
        ) from error
    return faiss
