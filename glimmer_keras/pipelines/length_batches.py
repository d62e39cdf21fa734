"""Token sequences through a compiled function, those of about one length together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np

from glimmer_keras.data import padding_mask
from glimmer_keras.utils.checks import check_integer

# On real passages, in shards of 1024, these leave 4 to 5 percent of what is computed to padding.
TOKENS_PER_BATCH = 2048
LENGTH_STEP = 8


def compiled(function: Callable, variables: Sequence[Any], shape: Sequence[int | None]) -> Callable:
    """Compile a function of token ids and their mask for the backend in use.

    JAX compiles it anew for each shape; TensorFlow traces it once.

    Args:
        function: Takes int32 token ids and a boolean mask of one shape.
        variables: Keras variables that it reads.
        shape: Shape of its arguments; `None` where it varies.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        signature = [tf.TensorSpec(shape, "int32"), tf.TensorSpec(shape, "bool")]
        return tf.function(function, signature, autograph=False)
    if backend == "jax":
        import jax

        @jax.jit
        def run(values, *arguments):
            # As arguments, weights are not compiled in as constants.
            with keras.StatelessScope(state_mapping=zip(variables, values, strict=True)):
                return function(*arguments)

        return lambda *arguments: run([variable.value for variable in variables], *arguments)
    import torch

    return torch.no_grad()(function)


def encode_by_length(
    ids: np.ndarray,
    lengths: np.ndarray,
    pad_id: int,
    tokens_per_batch: int,
    encode: Callable,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Run token sequences through a model, those of about one length together.

    Args:
        ids: Token ids `(sequences, length)`.
        lengths: Integers `(sequences,)`, tokens without padding.
        pad_id: Token that fills up the rest.
        tokens_per_batch: Tokens that go through the model together.
        encode: A function from `compiled`, of token ids and their mask.

    Yields:
        The numbers of the sequences of a batch `(rows,)`, and the outputs for them `(rows, ...)`.
    """
    # What is computed asynchronously is fetched when the next batch is on its way.
    waiting = None
    # Where each shape is compiled, a batch has as many rows as its length has room for, if there
    # are so many.
    fill_up = keras.backend.backend() == "jax"
    most = 1 << (len(ids) - 1).bit_length()
    for rows, room, length in plan_batches(lengths, tokens_per_batch, LENGTH_STEP):
        size = min(room, most) if fill_up else len(rows)
        batch = np.full((size, length), pad_id, "int32")
        width = min(length, ids.shape[1])
        batch[: len(rows), :width] = ids[rows, :width]
        sizes = np.zeros(size, "int32")
        sizes[: len(rows)] = lengths[rows]
        outputs = encode(batch, padding_mask(sizes, length))  # (size, ...)
        if waiting is not None:
            yield _fetched(*waiting)
        waiting = rows, outputs
    if waiting is not None:
        yield _fetched(*waiting)


def plan_batches(
    lengths: np.ndarray, tokens_per_batch: int, step: int
) -> Iterator[tuple[np.ndarray, int, int]]:
    """Put sequences of about one length together, the longest first.

    Args:
        lengths: Integers `(sequences,)`.
        tokens_per_batch: Bound of the tokens of a batch of several sequences.
        step: Batches are as long as a multiple of it.

    Yields:
        The numbers of the sequences of a batch, how many have room in it, and its length. The
        room depends on the length only, and all batches but the last are full.
    """
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        length = max(1, -(-int(lengths[order[start]]) // step)) * step
        size = max(1, tokens_per_batch // length)
        yield order[start : start + size], size, length
        start += size


def check_tokens_per_batch(tokens_per_batch: int) -> int:
    """Raise a `ValueError` for a batch without room for a token."""
    check_integer("tokens_per_batch", tokens_per_batch)
    return tokens_per_batch


def _fetched(rows: np.ndarray, outputs: Any) -> tuple[np.ndarray, np.ndarray]:
    return rows, keras.ops.convert_to_numpy(outputs)[: len(rows)]
