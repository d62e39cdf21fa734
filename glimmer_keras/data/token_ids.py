import logging

import numpy as np

from glimmer_keras.data.token_spec import TokenSpec

logger = logging.getLogger("glimmer_keras")


def token_dtype(vocabulary_size: int) -> str:
    """The smallest of uint16 and int32 that holds all token ids."""
    return "uint16" if vocabulary_size <= 2**16 else "int32"


def check_token_ids(ids: np.ndarray, vocabulary_size: int) -> np.ndarray:
    """The ids unchanged, if all are in the vocabulary."""
    if ids.size and not (ids.min() >= 0 and ids.max() < vocabulary_size):
        raise ValueError(
            f"`tokenize` must give token ids from 0 to {vocabulary_size - 1}. "
            f"Received: {ids.min()} to {ids.max()}"
        )
    return ids


def spec_key(spec: TokenSpec) -> tuple[str, int, int, int]:
    """What of a tokenizer the stored tokens depend on."""
    return spec.fingerprint, spec.vocabulary_size, spec.pad_id, spec.end_id


def report_truncated(truncated: int, total: int, what: str, length: int) -> None:
    """Log how many texts were cut, if any were."""
    if truncated:
        logger.warning("%d of %d %s were truncated to %d tokens", truncated, total, what, length)
