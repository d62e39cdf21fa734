import keras
from keras import ops

from glimmer_keras.layers.projection import Projection

MASKED = -1e9


@keras.saving.register_keras_serializable(package="glimmer_keras")
class Attention(keras.layers.Layer):
    """T5's multi-head attention: unscaled scores, a shared bias, a boolean mask apart from it.

    Scores are masked and normalised in float32. A query whose keys are all masked gets equal
    weights, never NaN. Keys and values are projected apart from the queries (`project`), so
    that a decoder can project a memory once and attend to it many times. With fewer heads of
    keys and values than of queries, a group of neighbouring query heads shares each of them.

    Args:
        num_heads: int.
        head_dim: int. Width of one head.
        hidden_dim: int. Width `d` of the output.
        dropout: float. Applied to the attention weights.
        num_key_value_heads: int that divides `num_heads`, or `None` for `num_heads`. Fewer is
            grouped-query attention, 1 multi-query attention.
        use_bias: bool. Whether all four projections have one, as BERT's.
        memory_dim: int, or `None` for `hidden_dim`. Width of what keys and values are made of.

    Call arguments:
        queries: float tensor `(batch, length, hidden_dim)`.
        keys, values: float tensors `(batch, num_key_value_heads, keys, head_dim)` from
            `project`. The batch of `queries` may be a multiple of theirs (beams of one row
            side by side).
        attention_mask: boolean tensor that broadcasts to `(batch, 1, length, keys)`, or `None`.
        bias: float tensor that broadcasts to `(batch, num_heads, length, keys)`, or `None`.

    Returns:
        A tensor of the shape of `queries`.
    """

    def __init__(
        self,
        num_heads,
        head_dim,
        hidden_dim,
        dropout=0.0,
        num_key_value_heads=None,
        use_bias=False,
        memory_dim=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.num_key_value_heads = check_key_value_heads(
            num_key_value_heads, num_heads, "num_key_value_heads"
        )
        self.head_dim = head_dim
        self.hidden_dim = hidden_dim
        self.dropout = dropout
        self.use_bias = use_bias
        self.memory_dim = memory_dim or hidden_dim
        inner_dim, shared_dim = num_heads * head_dim, self.num_key_value_heads * head_dim
        kind = {"use_bias": use_bias, "dtype": self.dtype_policy}
        self.query = Projection(inner_dim, (hidden_dim * head_dim) ** -0.5, name="query", **kind)
        self.key = Projection(shared_dim, hidden_dim**-0.5, name="key", **kind)
        self.value = Projection(shared_dim, hidden_dim**-0.5, name="value", **kind)
        self.output_projection = Projection(
            hidden_dim, inner_dim**-0.5, name="output_projection", **kind
        )
        self.dropout_layer = keras.layers.Dropout(dropout, dtype=self.dtype_policy)

    def build(self, input_shape=None):
        self.query.build((None, self.hidden_dim))
        for layer in (self.key, self.value):
            layer.build((None, self.memory_dim))
        self.output_projection.build((None, self.num_heads * self.head_dim))
        self.built = True

    def project(self, states):
        """Keys and values of `states`, `(batch, keys, hidden_dim)`.

        Returns:
            A tuple of two tensors `(batch, num_key_value_heads, keys, head_dim)`.
        """
        length, heads = ops.shape(states)[1], self.num_key_value_heads
        return tuple(self._split(of(states), length, heads) for of in (self.key, self.value))

    def call(self, queries, keys, values, attention_mask=None, bias=None, training=None):
        shape = ops.shape(queries)
        # Beams of one row become further queries of it: its keys are never repeated.
        length = shape[0] * shape[1] // ops.shape(keys)[0]
        q = self._split(self.query(queries), length, self.num_heads)
        # Heads that share keys become further queries of them, too.
        q = self._regroup(q, self.num_key_value_heads)
        if queries.shape[1] == 1:
            # A column of products is several times faster on CPU than a row of them.
            scores = ops.transpose(ops.matmul(keys, ops.transpose(q, (0, 1, 3, 2))), (0, 1, 3, 2))
        else:
            scores = ops.matmul(q, ops.transpose(keys, (0, 1, 3, 2)))
        scores = self._regroup(ops.cast(scores, "float32"), self.num_heads)
        if bias is not None:
            scores = scores + ops.cast(bias, "float32")
        if attention_mask is not None:
            scores = ops.where(attention_mask, scores, MASKED)
        weights = ops.cast(ops.softmax(scores, axis=-1), self.compute_dtype)
        weights = self.dropout_layer(weights, training=training)
        x = ops.matmul(self._regroup(weights, self.num_key_value_heads), values)
        x = ops.transpose(self._regroup(x, self.num_heads), (0, 2, 1, 3))
        x = ops.reshape(x, (-1, shape[1], self.num_heads * self.head_dim))
        return self.output_projection(x)

    def compute_output_shape(self, queries_shape, keys_shape=None, values_shape=None):
        return queries_shape

    def get_config(self):
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "head_dim": self.head_dim,
            "hidden_dim": self.hidden_dim,
            "dropout": self.dropout,
            "num_key_value_heads": self.num_key_value_heads,
            "use_bias": self.use_bias,
            "memory_dim": self.memory_dim,
        }

    def _split(self, states, length, heads):
        states = ops.reshape(states, (-1, length, heads, self.head_dim))
        return ops.transpose(states, (0, 2, 1, 3))

    def _regroup(self, x, heads):
        """`(batch, num_heads, length, n)` as `(batch, num_key_value_heads, ..., n)`, or back."""
        if self.num_key_value_heads == self.num_heads:
            return x
        return ops.reshape(x, (ops.shape(x)[0], heads, -1, ops.shape(x)[3]))


def check_key_value_heads(value, num_heads, name):
    """Return a number of key and value heads if it is one; `None` is `num_heads`."""
    if value is None:
        return num_heads
    is_integer = isinstance(value, int) and not isinstance(value, bool)
    if not is_integer or value < 1 or num_heads % value:
        raise ValueError(
            f"`{name}` must be an integer of at least 1 that divides `num_heads`, or None. "
            f"Received: {name}={value!r}, num_heads={num_heads}"
        )
    return value
