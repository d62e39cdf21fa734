import math

import keras
from keras import ops

from glimmer_keras.layers.normal import Normal


@keras.saving.register_keras_serializable(package="glimmer_keras")
class RelativePositionBias(keras.layers.Layer):
    """T5's learned bias on attention scores, by bucketed distance between key and query.

    It depends on lengths alone, so a model computes it once per length and shares it between
    the blocks of a stack. The mask is kept apart from it, so its size does not grow with the
    batch or with the number of passages.

    Args:
        num_heads: int.
        bidirectional: bool. `True` in encoders; `False` gives keys after the query one bucket.
        num_buckets: int. Rows of the table.
        max_distance: int. Tokens; all distances from here on share a bucket.
        stddev: float or `None`. Deviation the table starts with. `None` takes
            `num_heads ** -0.5`. Models trained from nothing match relations sooner with a
            larger one (2 in `recipes/pretraining`).

    Call arguments:
        states: float tensor `(..., length, dim)`, of which only the length is used.

    Returns:
        A tensor `(1, num_heads, length, length)`, queries before keys.
    """

    def __init__(
        self,
        num_heads,
        bidirectional=True,
        num_buckets=32,
        max_distance=128,
        stddev=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        exact = num_buckets // (4 if bidirectional else 2)
        if exact < 1 or max_distance <= exact:
            raise ValueError(
                f"`num_buckets` must be at least {4 if bidirectional else 2}, and `max_distance` "
                f"more than the {exact} distances that have a bucket each. "
                f"Received: num_buckets={num_buckets}, max_distance={max_distance}"
            )
        self.num_heads = num_heads
        self.bidirectional = bidirectional
        self.num_buckets = num_buckets
        self.max_distance = max_distance
        self.stddev = stddev

    def build(self, input_shape=None):
        stddev = self.num_heads**-0.5 if self.stddev is None else self.stddev
        self.table = self.add_weight(
            name="table",
            shape=(self.num_buckets, self.num_heads),
            initializer=Normal(stddev),
        )
        self.built = True

    def call(self, states):
        positions = ops.arange(ops.shape(states)[-2], dtype="int32")
        distance = positions[None, :] - positions[:, None]  # key minus query
        buckets = self._bucket(distance)
        bias = ops.take(ops.cast(self.table, self.compute_dtype), buckets, axis=0)
        return ops.transpose(bias, (2, 0, 1))[None]  # (1, heads, queries, keys)

    def compute_output_shape(self, input_shape):
        return (1, self.num_heads, input_shape[-2], input_shape[-2])

    def get_config(self):
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "bidirectional": self.bidirectional,
            "num_buckets": self.num_buckets,
            "max_distance": self.max_distance,
            "stddev": self.stddev,
        }

    def _bucket(self, distance):
        buckets = self.num_buckets
        if self.bidirectional:
            buckets //= 2
            offset = ops.cast(distance > 0, "int32") * buckets
            distance = ops.abs(distance)
        else:
            offset = 0
            distance = -ops.minimum(distance, 0)
        exact = buckets // 2
        # Compared with the bucket edges, which are exact, rather than through a float32
        # logarithm, whose rounding differs between backends.
        edges = [
            math.ceil(exact * (self.max_distance / exact) ** (i / (buckets - exact)) - 1e-9)
            for i in range(1, buckets - exact)
        ]
        large = exact + sum(ops.cast(distance >= edge, "int32") for edge in edges)
        return offset + ops.where(distance < exact, distance, large)
