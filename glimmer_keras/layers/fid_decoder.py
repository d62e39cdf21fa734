import keras
from keras import ops

from glimmer_keras.layers.attention import check_key_value_heads
from glimmer_keras.layers.decoder_block import DecoderBlock
from glimmer_keras.layers.feed_forward import get_activation, serialize_activation
from glimmer_keras.layers.group_size import group_size
from glimmer_keras.layers.relative_position_bias import RelativePositionBias
from glimmer_keras.layers.rematerialized import rematerialized
from glimmer_keras.layers.t5_norm import T5Norm


@keras.saving.register_keras_serializable(package="glimmer_keras")
class FiDDecoder(keras.layers.Layer):
    """A T5 decoder that reads all encoded passages as one sequence: `Dec[Q; P_1; ...; P_m]`.

    The order of the passages does not matter: cross-attention has no positions.

    Args:
        num_layers: int.
        num_heads: int.
        head_dim: int. Width of one head.
        hidden_dim: int. Width `d`.
        intermediate_dim: int. Width inside the feed-forward block.
        activation: string. `"gelu_approximate"` (T5.1.1), or any Keras activation.
        gated: bool. Gated feed-forward (T5.1.1) or plain (T5 1.0).
        dropout: float. On embeddings, attention weights, after each half block and at the end.
        epsilon: float. Of the normalisations.
        position_bias_stddev: float or `None`. See `RelativePositionBias`.
        num_buckets, max_distance: int. See `RelativePositionBias`.
        cross_attention_key_value_heads: int that divides `num_heads`, or `None` for `num_heads`.
            Heads of keys and values in cross-attention, each shared by a group of query heads:
            fewer is grouped-query attention, 1 multi-query attention.
        cross_attention_every: int. With `n`, only layers `n - 1`, `2 n - 1`, ..., counted from
            0, have cross-attention (FiDO's layer-sparse cross-attention); 1 is all of them.
        memory_dim: int, or `None` for `hidden_dim`. Width of what is read.

    Call arguments:
        embeddings: float tensor `(batch, target_length, hidden_dim)`.
        padding_mask: boolean tensor `(batch, target_length)`.
        passage_states: float tensor `(batch, passages, length, hidden_dim)`.
        passage_mask: boolean tensor `(batch, passages, length)`. Missing passages are masked.
        question_states: optional float tensor `(batch, question_length, hidden_dim)`, put
            before the passages.
        question_mask: boolean tensor `(batch, question_length)`, beside `question_states`.

    Returns:
        A tensor of the shape of `embeddings`, normalised.

    To decode token by token, call `project_memory` once, then `decode_step` with the cache of
    `initial_cache`.
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
        position_bias_stddev=None,
        num_buckets=32,
        max_distance=128,
        cross_attention_key_value_heads=None,
        cross_attention_every=1,
        memory_dim=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.num_layers = num_layers
        self.num_heads = num_heads
        self.head_dim = head_dim
        self.hidden_dim = hidden_dim
        self.intermediate_dim = intermediate_dim
        self.activation = get_activation(activation)
        self.gated = gated
        self.dropout = dropout
        self.epsilon = epsilon
        self.position_bias_stddev = position_bias_stddev
        self.num_buckets = num_buckets
        self.max_distance = max_distance
        self.cross_attention_key_value_heads = check_key_value_heads(
            cross_attention_key_value_heads, num_heads, "cross_attention_key_value_heads"
        )
        self.cross_attention_every = cross_attention_every
        self.memory_dim = memory_dim or hidden_dim
        self.cross_attention_layers = cross_attention_layers(num_layers, cross_attention_every)
        dtype = self.dtype_policy
        self.position_bias = RelativePositionBias(
            num_heads,
            bidirectional=False,
            num_buckets=num_buckets,
            max_distance=max_distance,
            stddev=position_bias_stddev,
            dtype=dtype,
            name="position_bias",
        )
        self.blocks = [
            DecoderBlock(
                num_heads,
                head_dim,
                hidden_dim,
                intermediate_dim,
                activation,
                gated,
                dropout,
                epsilon,
                self.cross_attention_key_value_heads if i in self.cross_attention_layers else 0,
                self.memory_dim,
                dtype=dtype,
                name=f"block_{i}",
            )
            for i in range(num_layers)
        ]
        self.norm = T5Norm(epsilon, dtype=dtype, name="norm")
        self.dropout_layer = keras.layers.Dropout(dropout, dtype=dtype)

    def build(self, embeddings_shape, *args, **kwargs):
        self.position_bias.build()
        for block in self.blocks:
            block.build((None, None, self.hidden_dim))
        self.norm.build((None, None, self.hidden_dim))
        self.built = True

    def call(
        self,
        embeddings,
        padding_mask,
        passage_states,
        passage_mask,
        question_states=None,
        question_mask=None,
        training=None,
    ):
        memory, memory_mask = self.project_memory(
            passage_states, passage_mask, question_states, question_mask, training
        )
        return self.decode(embeddings, padding_mask, memory, memory_mask, training)

    def project_memory(
        self,
        passage_states,
        passage_mask,
        question_states=None,
        question_mask=None,
        training=None,
    ):
        """Project all that the decoder reads to cross-attention keys and values, once per answer.

        Returns:
            A tuple with `(keys, values)` for each block, each `(batch,
            cross_attention_key_value_heads, positions, head_dim)`, or `()` for a block without
            cross-attention; and the boolean mask `(batch, positions)`.
        """
        batch = ops.shape(passage_states)[0]
        states = ops.reshape(passage_states, (batch, -1, self.memory_dim))  # (batch, positions, d)
        states = ops.cast(states, self.compute_dtype)
        mask = ops.reshape(ops.cast(passage_mask, "bool"), (batch, -1))
        if question_states is not None:
            question_states = ops.cast(question_states, self.compute_dtype)
            states = ops.concatenate([question_states, states], axis=1)
            mask = ops.concatenate([ops.cast(question_mask, "bool"), mask], axis=1)
        return self._project(states, training), mask

    def _project(self, states, training):
        def project(states):
            return tuple(block.project_memory(states) for block in self.blocks)

        group = 0 if training else group_size(*states.shape[:2])
        if not group:
            return project(states)
        projected = ops.map(project, ops.reshape(states, (-1, group, *states.shape[1:])))
        return keras.tree.map_structure(lambda x: ops.reshape(x, (-1, *x.shape[2:])), projected)

    def project_each(self, passage_states, passage_mask, question_states=None, question_mask=None):
        """Project as `project_memory`, but for reading each passage alone.

        Returns:
            The same, with `batch * passages` rows. The question is projected once a row of
            the batch, not once a passage.
        """
        _, passages, length = ops.shape(passage_states)[:3]
        states = ops.reshape(passage_states, (-1, length, self.memory_dim))
        # As in training, which differentiates it: not in groups.
        memory, mask = self.project_memory(
            states[:, None], ops.reshape(passage_mask, (-1, 1, length)), training=True
        )
        if question_states is None:
            return memory, mask
        question, question_mask = self.project_memory(
            question_states[:, None], question_mask[:, None], training=True
        )

        def join(first, second, axis):
            return ops.concatenate([ops.repeat(first, passages, axis=0), second], axis=axis)

        memory = tuple(
            tuple(join(q, p, axis=2) for q, p in zip(of_question, of_passage, strict=True))
            for of_question, of_passage in zip(question, memory, strict=True)
        )
        return memory, join(question_mask, mask, axis=1)

    def decode(self, embeddings, padding_mask, memory, memory_mask, training=None):
        """Decode all target positions at once, over what `project_memory` gave."""
        x = self.dropout_layer(ops.cast(embeddings, self.compute_dtype), training=training)
        positions = ops.arange(ops.shape(x)[1])
        causal = positions[:, None] >= positions[None, :]
        padding_mask = ops.cast(padding_mask, "bool")
        self_mask = ops.logical_and(causal, padding_mask[:, None, None, :])
        memory_mask = memory_mask[:, None, None, :]
        bias = self.position_bias(x)
        for block, projected in zip(self.blocks, memory, strict=True):
            if training and self.rematerialize:
                x = rematerialized(block)(x, projected, memory_mask, self_mask, bias)
            else:
                x = block(x, projected, memory_mask, self_mask, bias, training=training)
        return self.dropout_layer(self.norm(x), training=training)

    def initial_cache(self, rows, length):
        """Make empty self-attention keys and values for `rows` answers of up to `length` tokens.

        Returns:
            A tuple with `(keys, values)` for each block, each `(rows, num_heads, length,
            head_dim)`, rows first so that a sampler can copy and reorder them for beams.
        """
        shape = (rows, self.num_heads, length, self.head_dim)
        return tuple(
            (ops.zeros(shape, self.compute_dtype), ops.zeros(shape, self.compute_dtype))
            for _ in self.blocks
        )

    def step_bias(self, length):
        """Compute the bias `(1, num_heads, length, length)` that every `decode_step` slices."""
        return self.position_bias(ops.zeros((1, length, 1), self.compute_dtype))

    def decode_step(self, embeddings, index, cache, memory, memory_mask, bias):
        """Decode one target position.

        Args:
            embeddings: `(rows, 1, hidden_dim)`; `rows` is the batch of `memory`, or a
                multiple of it with the beams of one row side by side.
            index: int scalar, the position of `embeddings`.
            cache: from `initial_cache` or the last step.
            memory, memory_mask: from `project_memory`.
            bias: from `step_bias`.

        Returns:
            The states `(rows, 1, hidden_dim)` and the updated cache.
        """
        x = ops.cast(embeddings, self.compute_dtype)
        length = ops.shape(bias)[-1]
        self_mask = ops.arange(length, dtype="int32") <= index
        bias = ops.slice(bias, (0, 0, index, 0), (1, self.num_heads, 1, length))
        memory_mask = memory_mask[:, None, None, :]
        updated = []
        for block, projected, layer_cache in zip(self.blocks, memory, cache, strict=True):
            x, layer_cache = block(
                x, projected, memory_mask, self_mask, bias, cache=layer_cache, index=index
            )
            updated.append(layer_cache)
        return self.norm(x), tuple(updated)

    def compute_output_shape(self, embeddings_shape, *args, **kwargs):
        return embeddings_shape

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
            "position_bias_stddev": self.position_bias_stddev,
            "num_buckets": self.num_buckets,
            "max_distance": self.max_distance,
            "cross_attention_key_value_heads": self.cross_attention_key_value_heads,
            "cross_attention_every": self.cross_attention_every,
            "memory_dim": self.memory_dim,
        }


def cross_attention_layers(num_layers, every):
    """Number the decoder layers with cross-attention, from 0: every `every`-th, as in FiDO.

    Args:
        num_layers: int. Layers of the decoder.
        every: int, the setting `cross_attention_every`.
    """
    is_integer = isinstance(every, int) and not isinstance(every, bool)
    if not is_integer or not 1 <= every <= num_layers:
        raise ValueError(
            "`cross_attention_every` must be an integer from 1 to the number of decoder layers. "
            f"Received: cross_attention_every={every!r}, decoder layers={num_layers}"
        )
    return tuple(range(every - 1, num_layers, every))
