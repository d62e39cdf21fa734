"""What a training step of a reader computes, and how fast this machine multiplies."""

from __future__ import annotations

import time

import keras
from keras import ops

from recipes.pretraining.reader import Sizes
from recipes.pretraining.stream import Shape

REPEATS = 5


def step_flops(sizes: Sizes, shape: Shape, num_layers: int) -> float:
    """Floating-point operations of a training step on one passage a question, 2 a product.

    Three times the matrix products of the forward pass: encoder, attention scores, the memory's
    keys and values, decoder and its head. `num_layers` are the encoder's, which may yet grow.
    """
    d, inner = sizes.hidden_dim, sizes.num_heads * sizes.head_dim
    length, answer = shape.question + shape.passage, shape.answer
    layer = 4 * d * inner + 3 * d * sizes.intermediate_dim
    encoder = length * num_layers * (layer + 2 * length * inner)
    read = 2 * length * d * inner
    token = layer + 2 * d * inner + 2 * (answer + length) * inner
    decoder = sizes.num_decoder_layers * (read + answer * token)
    head = answer * d * sizes.vocabulary_size
    return 6.0 * shape.batch * (encoder + decoder + head)


def peak_flops(sizes: Sizes, shape: Shape, dtype: str) -> float:
    """Operations a second of this machine in a product of a batch's states and a feed-forward."""
    rows = shape.batch * (shape.question + shape.passage)
    d, inner = sizes.hidden_dim, sizes.intermediate_dim
    one, other = (
        ops.cast(keras.random.normal(size, seed=0), dtype) for size in ((rows, d), (d, inner))
    )
    taken = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        float(ops.sum(ops.cast(ops.matmul(one, other)[0, :1], "float32")))
        taken.append(time.perf_counter() - start)
    return 2.0 * rows * d * inner / min(taken)
