import keras

from glimmer_keras.layers.attention import Attention
from glimmer_keras.layers.feed_forward import FeedForward


class BertBlock(keras.layers.Layer):
    """One BERT encoder layer: self-attention, then feed-forward, each normalised after.

    As T5's it takes an attention bias, which BERT has none of, and does not scale scores: the
    scale of BERT's is in the projection of queries.
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
        **kwargs,
    ):
        super().__init__(**kwargs)
        dtype = self.dtype_policy
        self.attention = Attention(
            num_heads, head_dim, hidden_dim, dropout, use_bias=True, dtype=dtype, name="attention"
        )
        self.attention_norm = keras.layers.LayerNormalization(
            epsilon=epsilon, dtype=dtype, name="attention_norm"
        )
        self.feed_forward = FeedForward(
            hidden_dim,
            intermediate_dim,
            activation,
            gated,
            use_bias=True,
            dtype=dtype,
            name="feed_forward",
        )
        self.feed_forward_norm = keras.layers.LayerNormalization(
            epsilon=epsilon, dtype=dtype, name="feed_forward_norm"
        )
        self.dropout_layer = keras.layers.Dropout(dropout, dtype=dtype)

    def build(self, input_shape):
        for layer in (
            self.attention,
            self.attention_norm,
            self.feed_forward,
            self.feed_forward_norm,
        ):
            layer.build(input_shape)
        self.built = True

    def call(self, states, attention_mask=None, bias=None, training=None):
        keys, values = self.attention.project(states)
        x = self.attention(
            states, keys, values, attention_mask=attention_mask, bias=bias, training=training
        )
        states = self.attention_norm(states + self.dropout_layer(x, training=training))
        x = self.feed_forward(states, training=training)
        return self.feed_forward_norm(states + self.dropout_layer(x, training=training))
