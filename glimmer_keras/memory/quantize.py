import numpy as np

LEVELS = 127


def quantize(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Round to symmetric int8 with one scale for each token.

    Args:
        values: Finite float32 `(..., tokens, dim)`.

    Returns:
        int8 `(..., tokens, dim)` from -127 to 127 and float32 scales `(..., tokens)`, the
        greatest magnitude of the token over 127; `values` is about their product. A token of
        zeros has scale 0.
    """
    scales = (np.max(np.abs(values), axis=-1, initial=0) / LEVELS).astype("float32")
    # A scale of 0 stands for zeros, and for numbers too small to be told from them.
    divisors = np.where(scales == 0, np.float32(np.inf), scales)
    steps = np.rint(values / divisors[..., None])  # (..., tokens, dim)
    return np.clip(steps, -LEVELS, LEVELS).astype("int8"), scales


def dequantize(values: np.ndarray, scales: np.ndarray) -> np.ndarray:
    """Multiply out what `quantize` gave.

    Args:
        values: int8 `(..., tokens, dim)`.
        scales: float32 `(..., tokens)`.

    Returns:
        float32 `(..., tokens, dim)`.
    """
    return values.astype("float32") * scales[..., None]
