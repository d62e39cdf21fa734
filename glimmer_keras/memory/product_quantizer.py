"""Memory as codes: each token cut in parts, each part the number of the nearest of 256 others."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

CENTROIDS = 256
SEED = 1
# As many vectors the codebooks are learned from; FAISS takes no more, and wants 39 a centroid.
LEARNED_FROM = 256 * CENTROIDS
ROWS_AT_ONCE = 4096


@dataclass(frozen=True, eq=False)
class ProductQuantizer:
    """Product quantisation of vectors, a byte for each part of them.

    Args:
        codebooks: Finite float32 `(parts, 256, width)`; of vectors `parts * width` wide.
    """

    codebooks: np.ndarray

    @classmethod
    def learn(cls, vectors: np.ndarray, parts: int) -> ProductQuantizer:
        """Learn codebooks by k-means, which is FAISS's; it needs the extra `faiss`.

        Args:
            vectors: Floats `(n, dim)`, at least 256, of which `LEARNED_FROM` are looked at.
            parts: Bytes that a vector takes; they divide `dim`.

        Raises:
            ImportError: If FAISS is not installed.
            ValueError: If there are fewer vectors.
        """
        try:
            import faiss
        except ImportError as error:
            raise ImportError(
                "learning codebooks needs an extra: pip install glimmer_keras[faiss]"
            ) from error
        if len(vectors) < CENTROIDS:
            raise ValueError(
                f"`vectors` must be at least {CENTROIDS}, tokens to learn codebooks from. "
                f"Received: {len(vectors)}"
            )
        vectors = np.asarray(vectors[:: -(-len(vectors) // LEARNED_FROM)], "float32")
        width = vectors.shape[1] // parts
        codebooks = np.empty((parts, CENTROIDS, width), "float32")
        for part in range(parts):
            kmeans = faiss.Kmeans(width, CENTROIDS, seed=SEED, min_points_per_centroid=1)
            kmeans.train(np.ascontiguousarray(vectors[:, part * width : (part + 1) * width]))
            codebooks[part] = kmeans.centroids
        return cls(codebooks)

    @property
    def dim(self) -> int:
        return self.codebooks.shape[0] * self.codebooks.shape[2]

    def encode(self, vectors: np.ndarray) -> np.ndarray:
        """Give the nearest centroids, uint8 `(n, parts)`, of float32 vectors `(n, dim)`."""
        parts, _, width = self.codebooks.shape
        codes = np.empty((len(vectors), parts), "uint8")
        half = 0.5 * np.sum(self.codebooks**2, axis=-1)  # (parts, 256)
        for start in range(0, len(vectors), ROWS_AT_ONCE):
            rows = slice(start, start + ROWS_AT_ONCE)
            for part in range(parts):
                cut = vectors[rows, part * width : (part + 1) * width]
                nearness = cut @ self.codebooks[part].T - half[part]
                codes[rows, part] = nearness.argmax(axis=1)
        return codes

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """Look the vectors `(..., dim)` of codes `(..., parts)` up, in the type of `table`."""
        shape = codes.shape
        places = codes.reshape(-1, shape[-1]) + self._first  # (tokens, parts)
        return self.table.take(places, axis=0).reshape(*shape[:-1], self.dim)

    @cached_property
    def table(self) -> np.ndarray:
        """All centroids, bfloat16 `(parts * 256, width)`."""
        from glimmer_keras.memory.arrays import numpy_dtype

        return self.codebooks.reshape(-1, self.codebooks.shape[2]).astype(numpy_dtype("bfloat16"))

    @cached_property
    def _first(self) -> np.ndarray:
        return CENTROIDS * np.arange(len(self.codebooks), dtype="int32")

    def to_bytes(self) -> bytes:
        return self.codebooks.astype("<f4").tobytes()

    @classmethod
    def from_bytes(cls, content: bytes, parts: int, dim: int) -> ProductQuantizer:
        """Read what `to_bytes` gave.

        Raises:
            ValueError: If it is of another size.
        """
        if len(content) != 4 * CENTROIDS * dim:
            raise ValueError(
                f"codebooks must have {4 * CENTROIDS * dim} bytes. Received: {len(content)}"
            )
        return cls(np.frombuffer(content, "<f4").reshape(parts, CENTROIDS, dim // parts))
