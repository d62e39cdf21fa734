import keras

from glimmer_keras.layers.encoder_stack import EncoderStack


@keras.saving.register_keras_serializable(package="glimmer_keras")
class LiveEncoderStage(EncoderStack):
    """A run of live encoder layers over joined [question; passage] states (`LiveEnc`).

    GLIMMER cuts the live encoder in two stages: A sees all passages, B the selected ones. Both
    get the same `position_bias` from one `RelativePositionBias` over the joined length.

    Args:
        num_layers: int. 0 or more.
        num_heads: int.
        head_dim: int. Width of one head.
        hidden_dim: int. Width `d`.
        intermediate_dim: int. Width inside the feed-forward block.
        activation: string. `"gelu_approximate"` (T5.1.1), or any Keras activation.
        gated: bool. Gated feed-forward (T5.1.1) or plain (T5 1.0).
        dropout: float. On attention weights and after each half block.
        epsilon: float. Of the normalisations.
        block: string. `"t5"`, or `"bert"`: layers normalised after, with biases.

    Call arguments:
        states: float tensor `(batch, passages, length, hidden_dim)`, or with other leading
            dimensions; each sequence is encoded alone.
        padding_mask: boolean tensor `(batch, passages, length)`, `True` on real tokens. An
            all-padding row, a missing passage, gives finite numbers of no meaning.
        position_bias: float tensor `(1, num_heads, length, length)`.

    Returns:
        A tensor of the shape of `states`, not normalised.

    Example:
    ```python
    bias = glimmer_keras.layers.RelativePositionBias(num_heads=4)
    stage = glimmer_keras.layers.LiveEncoderStage(
        num_layers=2, num_heads=4, head_dim=16, hidden_dim=64, intermediate_dim=128
    )
    states = np.ones((8, 25, 40, 64), "float32")
    states = stage(states, np.ones((8, 25, 40), "bool"), bias(states))
    ```
    """

    def call(self, states, padding_mask, position_bias, training=None):
        return self.encode(states, padding_mask, position_bias, training)
