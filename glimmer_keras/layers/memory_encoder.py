import keras
from keras import ops

from glimmer_keras.layers.encoder_stack import EncoderStack
from glimmer_keras.layers.normal import Normal
from glimmer_keras.layers.projection import Projection
from glimmer_keras.layers.relative_position_bias import RelativePositionBias


@keras.saving.register_keras_serializable(package="glimmer_keras")
class MemoryEncoder(EncoderStack):
    """The first `(1 - live_proportion) L` encoder layers: one text alone to its memory (`MemEnc`).

    Run offline over a corpus, and online over the question. The memory is the residual stream
    after the last layer, not normalised, ready for a `LiveEncoderStage`. With `num_layers=0`
    (FiD) the memory is the embeddings.

    Args:
        num_layers: int. 0 or more.
        num_heads: int.
        head_dim: int. Width of one head.
        hidden_dim: int. Width `d`.
        intermediate_dim: int. Width inside the feed-forward block.
        activation: string. `"gelu_approximate"` (T5.1.1), or any Keras activation.
        gated: bool. Gated feed-forward (T5.1.1) or plain (T5 1.0).
        dropout: float. On embeddings, attention weights, and after each half block.
        epsilon: float. Of the normalisations.
        block: string. `"t5"`, or `"bert"`: layers normalised after, with biases.
        position_bias_stddev: float or `None`. See `RelativePositionBias`.
        num_buckets, max_distance: int. See `RelativePositionBias`.
        num_positions: int or `None`. As many positions, the most that a text may have, are added to
            the embeddings, and these normalised, as BERT does.
        carried_dim: int. As many channels of the memory tell each token, and as many the token
            before it; no layer changes them. A decoder copies by them from an encoder whose layers
            are normalised after, as a BERT's, and forget what they began with. Not in the paper.

    Call arguments:
        embeddings: float tensor `(..., length, hidden_dim)`; leading dimensions (batch,
            passages) are free.
        padding_mask: boolean tensor `(..., length)`, `True` on real tokens. Padding is never
            attended to; a row that is all padding gives finite numbers of no meaning.
        first_position: int. With `num_positions`, that of the first token.

    Returns:
        A tensor of the shape of `embeddings`, but for `2 * carried_dim` more channels.

    Example:
    ```python
    encoder = glimmer_keras.layers.MemoryEncoder(
        num_layers=2, num_heads=4, head_dim=16, hidden_dim=64, intermediate_dim=128
    )
    memory = encoder(np.ones((8, 25, 30, 64)), np.ones((8, 25, 30), "bool"))
    ```
    """

    def __init__(
        self,
        *args,
        position_bias_stddev=None,
        num_buckets=32,
        max_distance=128,
        num_positions=None,
        carried_dim=0,
        **kwargs,
    ):
        super().__init__(*args, **kwargs)
        self.carried_dim = carried_dim
        if carried_dim:
            self.carried = Projection(
                2 * carried_dim, self.hidden_dim**-0.5, dtype=self.dtype_policy, name="carried"
            )
        self.num_positions = num_positions
        if num_positions is not None:
            self.embedding_norm = keras.layers.LayerNormalization(
                epsilon=self.epsilon, dtype=self.dtype_policy, name="embedding_norm"
            )
        self.position_bias_stddev = position_bias_stddev
        self.num_buckets = num_buckets
        self.max_distance = max_distance
        self.embedding_dropout = keras.layers.Dropout(self.dropout, dtype=self.dtype_policy)
        if self.num_layers:
            self.position_bias = RelativePositionBias(
                self.num_heads,
                num_buckets=num_buckets,
                max_distance=max_distance,
                stddev=position_bias_stddev,
                dtype=self.dtype_policy,
                name="position_bias",
            )

    def build(self, embeddings_shape, padding_mask_shape=None):
        if self.num_positions is not None:
            self.positions = self.add_weight(
                name="positions", shape=(self.num_positions, self.hidden_dim), initializer=Normal()
            )
            self.embedding_norm.build((None, self.hidden_dim))
        if self.carried_dim:
            self.carried.build((None, self.hidden_dim))
        if self.num_layers:
            self.position_bias.build()
        super().build(embeddings_shape)

    def call(self, embeddings, padding_mask, first_position=0, training=None):
        x = embeddings
        if self.num_positions is not None:
            x = self.embedding_norm(x + self._positions(ops.shape(x)[-2], first_position))
        x = self.embedding_dropout(x, training=training)
        if self.carried_dim:
            x = ops.concatenate([x, self._tokens(embeddings)], axis=-1)
        if not self.num_layers:
            return x
        return self.encode(x, padding_mask, self.position_bias(x), training)

    def compute_output_shape(self, states_shape, *args, **kwargs):
        return (*states_shape[:-1], self.hidden_dim + 2 * self.carried_dim)

    def get_config(self):
        return {
            **super().get_config(),
            "position_bias_stddev": self.position_bias_stddev,
            "num_buckets": self.num_buckets,
            "max_distance": self.max_distance,
            "num_positions": self.num_positions,
            "carried_dim": self.carried_dim,
        }

    def _tokens(self, embeddings):
        """What is carried of each token and of the one before, `(..., length, 2 carried_dim)`."""
        told = self.carried(embeddings)
        before = told[..., :-1, self.carried_dim :]
        before = ops.concatenate([ops.zeros_like(told[..., :1, self.carried_dim :]), before], -2)
        return ops.concatenate([told[..., : self.carried_dim], before], axis=-1)

    def _positions(self, length, first):
        if isinstance(length, int) and first + length > self.num_positions:
            raise ValueError(
                f"A text may have at most num_positions={self.num_positions} tokens. "
                f"Received: {length} from position {first}"
            )
        return ops.cast(self.positions, self.compute_dtype)[first : first + length]  # (length, dim)
