import logging
from collections.abc import Callable

import numpy as np

from glimmer_keras.data.padding import pad_tokens
from glimmer_keras.data.token_cache import Create
from glimmer_keras.data.token_spec import TokenSpec

logger = logging.getLogger("glimmer_keras")

# Texts that are tokenised together.
TEXTS_AT_ONCE = 1000


def fill_tokens(
    create: Create,
    prefix: str,
    texts: Callable[[slice], list[str]],
    count: int,
    length: int,
    end_id: int | None,
    spec: TokenSpec,
    after_texts: Callable[[int], None] = lambda texts: None,
) -> int:
    """Tokenise texts into the arrays `{prefix}token_ids` and `{prefix}lengths`.

    Args:
        create: Makes the arrays `(texts, length)` and `(texts,)`.
        prefix: Begins the arrays' names.
        texts: Gives a slice of the texts.
        count: Number of the texts.
        length: Tokens of a row, the end token among them; longer texts are cut.
        end_id: Closes each row; `None` for no end token.
        spec: The tokenizer.
        after_texts: Called with a number of texts when they are tokenised.

    Returns:
        Number of texts that were longer.
    """
    ids = create(f"{prefix}token_ids", (count, length), token_dtype(spec.vocabulary_size))
    lengths = create(f"{prefix}lengths", (count,), "int32")
    truncated = 0
    for start in range(0, count, TEXTS_AT_ONCE):
        part = slice(start, start + TEXTS_AT_ONCE)
        sequences = spec.tokenize(texts(part))
        padded, lengths[part], cut = pad_tokens(sequences, length, end_id, spec.pad_id)
        ids[part] = check_token_ids(padded, spec.vocabulary_size)
        truncated += cut
        after_texts(len(padded))
    return truncated


def token_dtype(vocabulary_size: int) -> str:
    """Choose the smallest of uint16 and int32 that holds all token ids."""
    return "uint16" if vocabulary_size <= 2**16 else "int32"


def check_token_ids(ids: np.ndarray, vocabulary_size: int) -> np.ndarray:
    """Give the ids unchanged, if all are in the vocabulary."""
    if ids.size and not (ids.min() >= 0 and ids.max() < vocabulary_size):
        raise ValueError(
            f"`tokenize` must give token ids from 0 to {vocabulary_size - 1}. "
            f"Received: {ids.min()} to {ids.max()}"
        )
    return ids


def spec_key(spec: TokenSpec) -> tuple[str, int, int, int]:
    """List what of a tokenizer the stored tokens depend on."""
    return spec.fingerprint, spec.vocabulary_size, spec.pad_id, spec.end_id


def report_truncated(truncated: int, total: int, what: str, length: int) -> None:
    """Log how many texts were cut, if any were."""
    if truncated:
        logger.warning("%d of %d %s were truncated to %d tokens", truncated, total, what, length)
