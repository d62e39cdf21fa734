from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf


@contextmanager
def core_ops() -> Iterator[None]:
    """While functions are traced: no ops that only XLA registers.

    Keras's `slice_update`, in the decoder's cache and in KerasHub's samplers, is an op of XLA,
    which a server may lack.
    """
    original = keras.ops.slice_update
    keras.ops.slice_update = slice_update
    try:
        yield
    finally:
        keras.ops.slice_update = original


def slice_update(inputs: Any, start_indices: Any, updates: Any) -> tf.Tensor:
    """As `keras.ops.slice_update`, where `updates` is one place of one axis and all of the rest."""
    shapes = zip(inputs.shape, updates.shape, strict=True)
    axes = [axis for axis, (size, updated) in enumerate(shapes) if size != updated]
    if not axes:
        return tf.cast(updates, inputs.dtype)
    if len(axes) > 1 or updates.shape[axes[0]] != 1:
        raise ValueError(
            "`updates` must be one place of one axis of `inputs`. "
            f"Received: shapes {tuple(updates.shape)} and {tuple(inputs.shape)}"
        )
    places = tf.reshape(
        tf.range(tf.shape(inputs)[axes[0]]), (-1, *[1] * (inputs.ndim - axes[0] - 1))
    )
    return tf.where(places == start_indices[axes[0]], updates, inputs)
