from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True, eq=False)
class MemoryBatch:
    """Memory of some passages, as it is stored; `shape` is that of the ids asked for.

    Args:
        values: `(*shape, length, dim)` float32, bfloat16 or int8, zero past a passage's length.
        scales: float32 `(*shape, length)` to multiply int8 values with, `None` for other types.
        lengths: int32 `(*shape,)`, tokens of each passage, 0 where a passage is missing.
    """

    values: np.ndarray
    scales: np.ndarray | None
    lengths: np.ndarray

    @property
    def mask(self) -> np.ndarray:
        """Boolean `(*shape, length)`, true at tokens."""
        return np.arange(self.values.shape[-2]) < self.lengths[..., None]
