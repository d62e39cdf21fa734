"""Batches of numbered steps as a dataset."""

from collections.abc import Callable, Iterator
from typing import Any


def endless(batch: Callable[[int], Any], step: int) -> Any:
    """A `tf.data.Dataset` of the batches from a step on, without end, all of one shape."""
    import tensorflow as tf

    def batches() -> Iterator[Any]:
        number = step
        while True:
            yield batch(number)
            number += 1

    signature = tf.nest.map_structure(
        lambda array: tf.TensorSpec(array.shape, array.dtype), batch(step)
    )
    return tf.data.Dataset.from_generator(batches, output_signature=signature).prefetch(4)
