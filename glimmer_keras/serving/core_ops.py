import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf

_tracing = threading.RLock()


@contextmanager
def core_ops() -> Iterator[None]:
    """Have functions that are traced use no ops that only XLA registers.

    Keras's `slice_update`, in the decoder's cache and in KerasHub's samplers, is an op of XLA on
    TensorFlow (as of Keras 3.15.1), which a server may lack. Other threads keep it; one that
    traces too waits for its turn.
    """

    def update(*args: Any, **kwargs: Any) -> Any:
        is_tracing = threading.get_ident() == tracing
        return (slice_update if is_tracing else original)(*args, **kwargs)

    with _tracing:
        original, tracing = keras.ops.slice_update, threading.get_ident()
        keras.ops.slice_update = update
        try:
            yield
        finally:
            keras.ops.slice_update = original


def slice_update(inputs: Any, start_indices: Any, updates: Any) -> tf.Tensor:
    """Do as `keras.ops.slice_update`, where `updates` is one place of one axis, whole on others."""
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
