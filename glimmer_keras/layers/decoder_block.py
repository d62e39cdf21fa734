import keras
from keras import ops

from glimmer_keras.layers.attention import Attention
from glimmer_keras.layers.feed_forward import FeedForward
from glimmer_keras.layers.t5_norm import T5Norm


class DecoderBlock(keras.layers.Layer):
    """One T5 decoder layer: causal self-attention, cross-attention, feed-forward.

    Args:
        cross_attention_key_value_heads: int. 0 leaves cross-attention out.

    The other arguments are those of `FiDDecoder`.
    """

    def __init__(
        self,
        num_heads,
        head_dim,
        hidden_dim,
        intermediate_dim,
        activation,
        gated,
        dropout,
        epsilon,
        cross_attention_key_value_heads,
        memory_dim=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        dtype = self.dtype_policy
        self.self_norm = T5Norm(epsilon, dtype=dtype, name="self_norm")
        self.self_attention = Attention(
            num_heads, head_dim, hidden_dim, dropout, dtype=dtype, name="self_attention"
        )
        self.reads_memory = cross_attention_key_value_heads > 0
        if self.reads_memory:
            self.cross_norm = T5Norm(epsilon, dtype=dtype, name="cross_norm")
            self.cross_attention = Attention(
                num_heads,
                head_dim,
                hidden_dim,
                dropout,
                cross_attention_key_value_heads,
                memory_dim=memory_dim,
                dtype=dtype,
                name="cross_attention",
            )
        self.feed_forward_norm = T5Norm(epsilon, dtype=dtype, name="feed_forward_norm")
        self.feed_forward = FeedForward(
            hidden_dim,
            intermediate_dim,
            activation,
            gated,
            dropout,
            dtype=dtype,
            name="feed_forward",
        )
        self.dropout_layer = keras.layers.Dropout(dropout, dtype=dtype)

    def build(self, input_shape):
        self.self_norm.build(input_shape)
        self.self_attention.build(input_shape)
        if self.reads_memory:
            self.cross_norm.build(input_shape)
            self.cross_attention.build(input_shape)
        self.feed_forward_norm.build(input_shape)
        self.feed_forward.build(input_shape)
        self.built = True

    def project_memory(self, states):
        """Cross-attention keys and values of `states`; `()` without cross-attention."""
        return self.cross_attention.project(states) if self.reads_memory else ()

    def call(
        self,
        states,
        memory,
        memory_mask,
        self_mask,
        bias,
        cache=None,
        index=None,
        training=None,
    ):
        x = self.self_norm(states)
        keys, values = self.self_attention.project(x)
        if cache is not None:
            keys = ops.slice_update(cache[0], (0, 0, index, 0), keys)
            values = ops.slice_update(cache[1], (0, 0, index, 0), values)
            cache = (keys, values)
        x = self.self_attention(
            x, keys, values, attention_mask=self_mask, bias=bias, training=training
        )
        states = states + self.dropout_layer(x, training=training)
        if self.reads_memory:
            x = self.cross_attention(
                self.cross_norm(states), *memory, attention_mask=memory_mask, training=training
            )
            states = states + self.dropout_layer(x, training=training)
        x = self.feed_forward(self.feed_forward_norm(states), training=training)
        states = states + self.dropout_layer(x, training=training)
        return states if cache is None else (states, cache)
