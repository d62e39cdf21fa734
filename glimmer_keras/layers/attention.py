import keras
from keras import ops

from glimmer_keras.layers.projection import Projection

MASKED = -1e9


@keras.saving.register_keras_serializable(package="glimmer_keras")
class Attention(keras.layers.Layer):
    """T5's multi-head attention: unscaled scores, a shared bias, a boolean mask apart from it.

    Scores are masked and normalised in float32. A query whose keys are all masked gets equal
    weights, never NaN. Keys and values are projected apart from the queries (`project`), so
    that a decoder can project a memory once and attend to it many times.

    Args:
        num_heads: int.
        head_dim: int. Width of one head.
        hidden_dim: int. Width `d` of the output.
        dropout: float. Applied to the attention weights.

    Call arguments:
        queries: float tensor `(batch, length, hidden_dim)`.
        keys, values: float tensors `(batch, num_heads, keys, head_dim)` from `project`. The
            batch of `queries` may be a multiple of theirs (beams of one row side by side).
        attention_mask: boolean tensor that broadcasts to `(batch, 1, length, keys)`, or `None`.
        bias: float tensor that broadcasts to `(batch, num_heads, length, keys)`, or `None`.

    Returns:
        A tensor of the shape of `queries`.
    """

    def __init__(self, num_heads, head_dim, hidden_dim, dropout=0.0, **kwargs):
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.head_dim = head_dim
        self.hidden_dim = hidden_dim
        self.dropout = dropout
        inner_dim, dtype = num_heads * head_dim, self.dtype_policy
        self.query = Projection(
            inner_dim, (hidden_dim * head_dim) ** -0.5, dtype=dtype, name="query"
        )
        self.key = Projection(inner_dim, hidden_dim**-0.5, dtype=dtype, name="key")
        self.value = Projection(inner_dim, hidden_dim**-0.5, dtype=dtype, name="value")
        self.output_projection = Projection(
            hidden_dim, inner_dim**-0.5, dtype=dtype, name="output_projection"
        )
        self.dropout_layer = keras.layers.Dropout(dropout, dtype=dtype)

    def build(self, input_shape=None):
        for layer in (self.query, self.key, self.value):
            layer.build((None, self.hidden_dim))
        self.output_projection.build((None, self.num_heads * self.head_dim))
        self.built = True

    def project(self, states):
        """Keys and values `(batch, num_heads, keys, head_dim)` of `(batch, keys, hidden_dim)`."""
        length = ops.shape(states)[1]
        return self._split(self.key(states), length), self._split(self.value(states), length)

    def call(self, queries, keys, values, attention_mask=None, bias=None, training=None):
        shape = ops.shape(queries)
        # Beams of one row become further queries of it: its keys are never repeated.
        length = shape[0] * shape[1] // ops.shape(keys)[0]
        q = self._split(self.query(queries), length)
        if queries.shape[1] == 1:
            # A column of products is several times faster on CPU than a row of them.
            scores = ops.transpose(ops.matmul(keys, ops.transpose(q, (0, 1, 3, 2))), (0, 1, 3, 2))
        else:
            scores = ops.matmul(q, ops.transpose(keys, (0, 1, 3, 2)))
        scores = ops.cast(scores, "float32")
        if bias is not None:
            scores = scores + ops.cast(bias, "float32")
        if attention_mask is not None:
            scores = ops.where(attention_mask, scores, MASKED)
        weights = ops.cast(ops.softmax(scores, axis=-1), self.compute_dtype)
        weights = self.dropout_layer(weights, training=training)
        x = ops.transpose(ops.matmul(weights, values), (0, 2, 1, 3))
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
        }

    def _split(self, states, length):
        states = ops.reshape(states, (-1, length, self.num_heads, self.head_dim))
        return ops.transpose(states, (0, 2, 1, 3))
