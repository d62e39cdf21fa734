from typing import Any

import keras
from keras import ops

from glimmer_keras.layers.attention import Attention
from glimmer_keras.layers.bert_block import BertBlock
from glimmer_keras.layers.feed_forward import FeedForward, get_activation, serialize_activation
from glimmer_keras.layers.group_size import group_size
from glimmer_keras.layers.rematerialized import rematerialized
from glimmer_keras.layers.t5_norm import T5Norm


class EncoderBlock(keras.layers.Layer):
    """One T5 encoder layer: self-attention, then feed-forward, each normalised before."""

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
        self.attention_norm = T5Norm(epsilon, dtype=dtype, name="attention_norm")
        self.attention = Attention(
            num_heads, head_dim, hidden_dim, dropout, dtype=dtype, name="attention"
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
        for layer in (
            self.attention_norm,
            self.attention,
            self.feed_forward_norm,
            self.feed_forward,
        ):
            layer.build(input_shape)
        self.built = True

    def call(self, states, attention_mask=None, bias=None, training=None):
        x = self.attention_norm(states)
        keys, values = self.attention.project(x)
        x = self.attention(
            x, keys, values, attention_mask=attention_mask, bias=bias, training=training
        )
        states = states + self.dropout_layer(x, training=training)
        x = self.feed_forward(self.feed_forward_norm(states), training=training)
        return states + self.dropout_layer(x, training=training)


BLOCKS: dict[str, Any] = {"t5": EncoderBlock, "bert": BertBlock}


class EncoderStack(keras.layers.Layer):
    """A run of encoder layers over sequences with any number of leading dimensions.

    What states have behind their first `hidden_dim` channels is carried past all layers.
    Base of `MemoryEncoder` and `LiveEncoderStage`, which tell their arguments apart.
    """

    # In training: blocks run again in the backward pass rather than keep what is inside them.
    rematerialize = False

    def __init__(
        self,
        num_layers,
        num_heads,
        head_dim,
        hidden_dim,
        intermediate_dim,
        activation="gelu_approximate",
        gated=True,
        dropout=0.0,
        epsilon=1e-6,
        block="t5",
        **kwargs,
    ):
        super().__init__(**kwargs)
        if block not in BLOCKS:
            raise ValueError(f"`block` must be one of {(*BLOCKS,)}. Received: block={block!r}")
        self.block = block
        self.num_layers = num_layers
        self.num_heads = num_heads
        self.head_dim = head_dim
        self.hidden_dim = hidden_dim
        self.intermediate_dim = intermediate_dim
        self.activation = get_activation(activation)
        self.gated = gated
        self.dropout = dropout
        self.epsilon = epsilon
        self.blocks = [
            BLOCKS[block](
                num_heads,
                head_dim,
                hidden_dim,
                intermediate_dim,
                activation,
                gated,
                dropout,
                epsilon,
                dtype=self.dtype_policy,
                name=f"block_{i}",
            )
            for i in range(num_layers)
        ]

    def build(self, states_shape, *args, **kwargs):
        for block in self.blocks:
            block.build((None, None, self.hidden_dim))
        self.built = True

    def encode(self, states, padding_mask, bias, training):
        """Run the blocks on `(..., length, dim)`, one sequence apart from another."""
        states = ops.cast(states, self.compute_dtype)
        if states.shape[-1] > self.hidden_dim:
            own, carried = states[..., : self.hidden_dim], states[..., self.hidden_dim :]
            own = self.encode(own, padding_mask, bias, training)
            return ops.concatenate([own, carried], axis=-1)
        shape = ops.shape(states)
        x = ops.reshape(states, (-1, *shape[-2:]))
        mask = ops.reshape(ops.cast(padding_mask, "bool"), (-1, 1, 1, shape[-2]))
        group = group_size(*x.shape[:2]) if self.rematerialize or not training else 0
        if group:
            x, mask = (ops.reshape(t, (-1, group, *t.shape[1:])) for t in (x, mask))
        if training and self.rematerialize:
            for block in self.blocks:
                x = rematerialized(block, in_groups=bool(group))(x, mask, bias)
        elif group:
            x = ops.map(lambda part: self._run(part[0], part[1], bias, training), [x, mask])
        else:
            x = self._run(x, mask, bias, training)
        return ops.reshape(x, shape)

    def _run(self, x, mask, bias, training):
        for block in self.blocks:
            x = block(x, attention_mask=mask, bias=bias, training=training)
        return x

    def compute_output_shape(self, states_shape, *args, **kwargs):
        return states_shape

    def get_config(self):
        return {
            **super().get_config(),
            "num_layers": self.num_layers,
            "num_heads": self.num_heads,
            "head_dim": self.head_dim,
            "hidden_dim": self.hidden_dim,
            "intermediate_dim": self.intermediate_dim,
            "activation": serialize_activation(self.activation),
            "gated": self.gated,
            "dropout": self.dropout,
            "epsilon": self.epsilon,
            "block": self.block,
        }
