import numpy as np


def check_retrieved(rows: np.ndarray, examples: int) -> np.ndarray:
    """Retrieved rows as int32 `(examples, passages)`, copied unless read-only as mapped files are.

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
