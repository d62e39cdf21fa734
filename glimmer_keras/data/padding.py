from collections.abc import Sequence

import numpy as np


def pad_tokens(
    sequences: Sequence[Sequence[int]], length: int, end_id: int | None, pad_id: int
) -> tuple[np.ndarray, np.ndarray, int]:
    """Bring token sequences to one length.

    Args:
        sequences: Token ids without end token.
        length: Number of tokens of each row, the end token among them.
        end_id: Closes each row, also a truncated one; `None` for no end token.
        pad_id: Fills up the rest.

    Returns:
        int32 `(rows, length)` of token ids, int32 `(rows,)` of the lengths without padding, and
        how many sequences were truncated.
    """
    ending = [] if end_id is None else [end_id]
    room = length - len(ending)
    if room < 1:
        raise ValueError(
            f"`length` must leave room for a token and the end token. Received: length={length}"
        )
    ids = np.full((len(sequences), length), pad_id, dtype="int32")
    lengths = np.zeros(len(sequences), dtype="int32")
    truncated = 0
    for row, sequence in enumerate(sequences):
        tokens = [*sequence[:room], *ending]
        ids[row, : len(tokens)] = tokens
        lengths[row] = len(tokens)
        truncated += len(sequence) > room
    return ids, lengths, truncated


def padding_mask(lengths: np.ndarray, length: int) -> np.ndarray:
    """Make a boolean mask `(..., length)`, true on the first `lengths` `(...)` places."""
    return np.arange(length) < np.asarray(lengths)[..., None]


def shift_right(ids: np.ndarray, lengths: np.ndarray, start_id: int, pad_id: int) -> np.ndarray:
    """Make the decoder's input of its labels.

    Each row is `start_id` and the labels but the last, so it has as many places as the labels; a
    row without labels keeps its start token.

    Args:
        ids: int32 labels `(rows, length)`.
        lengths: Integers `(rows,)`, labels without padding.
        start_id: First token of each row.
        pad_id: Fills up the rest.

    Returns:
        int32 `(rows, length)`.
    """
    shifted = np.concatenate([np.full_like(ids[:, :1], start_id), ids[:, :-1]], axis=1)
    return np.where(padding_mask(np.maximum(lengths, 1), ids.shape[1]), shifted, pad_id)
