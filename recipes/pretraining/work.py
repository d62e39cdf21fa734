"""What a training step of a reader computes, and how fast this machine multiplies."""

from __future__ import annotations

import time
from typing import Any

import keras
from keras import ops

from recipes.pretraining.stream import Shape

REPEATS = 5


def step_flops(backbone: Any, shape: Shape) -> float:
    """Floating-point operations of a training step on one passage a question, 2 a product.

    Three times the matrix products of the forward pass: encoder, attention scores, the memory's
    keys and values, decoder and its head.
    """
    d, inner = backbone.hidden_dim, backbone.num_heads * backbone.key_value_dim
    feed_forward = (2 + backbone.use_gated_activation) * d * backbone.intermediate_dim
    length, answer = shape.question + shape.passage, shape.answer
    layer = 4 * d * inner + feed_forward
    encoder = length * backbone.num_layers * (layer + 2 * length * inner)
    read = 2 * length * d * inner
    token = layer + 2 * d * inner + 2 * (answer + length) * inner
    decoder = backbone.decoder.num_layers * (read + answer * token)
    head = answer * d * backbone.vocabulary_size
    return 6.0 * shape.batch * (encoder + decoder + head)


def peak_flops(backbone: Any, shape: Shape) -> float:
    """Operations a second of this machine in a product of a batch's states and a feed-forward."""
    dtype = backbone.dtype_policy.compute_dtype
    rows = shape.batch * (shape.question + shape.passage)
    sides = (rows, backbone.hidden_dim), (backbone.hidden_dim, backbone.intermediate_dim)
    one, other = (ops.cast(keras.random.normal(size, seed=0), dtype) for size in sides)
    taken = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        float(ops.sum(ops.cast(ops.matmul(one, other)[0, :1], "float32")))
        taken.append(time.perf_counter() - start)
    return 2.0 * rows * backbone.hidden_dim * backbone.intermediate_dim / min(taken)
