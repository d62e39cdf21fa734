import keras
import keras_hub

from glimmer_keras.layers import MemoryEncoder, T5Norm
from glimmer_keras.layers.feed_forward import get_activation, serialize_activation
from glimmer_keras.layers.normal import Normal


@keras.saving.register_keras_serializable(package="glimmer_keras")
class T5Encoder(keras_hub.models.Backbone):
    """The encoder of T5 1.0 or T5.1.1 alone, with its final normalisation.

    Args:
        vocabulary_size: int.
        num_layers: int.
        num_heads: int.
        hidden_dim: int.
        intermediate_dim: int. Width inside feed-forward blocks.
        key_value_dim: int. Width of one head.
        dropout: float.
        activation: string. Of the feed-forward blocks.
        use_gated_activation: bool. T5.1.1 has it, T5 1.0 not.
        layer_norm_epsilon: float.
        dtype: string or `keras.DTypePolicy`.

    Inputs, a dictionary:
        token_ids: int `(batch, length)`.
        padding_mask: bool `(batch, length)`.

    Outputs: `(batch, length, hidden_dim)`.
    """

    def __init__(
        self,
        vocabulary_size,
        num_layers,
        num_heads,
        hidden_dim,
        intermediate_dim,
        key_value_dim=64,
        dropout=0.0,
        activation="gelu_approximate",
        use_gated_activation=True,
        layer_norm_epsilon=1e-6,
        dtype=None,
        **kwargs,
    ):
        # === Layers ===
        self.token_embedding = keras.layers.Embedding(
            vocabulary_size,
            hidden_dim,
            embeddings_initializer=Normal(1.0),
            dtype=dtype,
            name="token_embedding",
        )
        self.encoder = MemoryEncoder(
            num_layers,
            num_heads,
            key_value_dim,
            hidden_dim,
            intermediate_dim,
            activation,
            use_gated_activation,
            dropout,
            layer_norm_epsilon,
            dtype=dtype,
            name="encoder",
        )
        self.norm = T5Norm(layer_norm_epsilon, dtype=dtype, name="norm")
        self.dropout_layer = keras.layers.Dropout(dropout, dtype=dtype, name="dropout")

        # === Functional model ===
        inputs = {
            "token_ids": keras.Input((None,), dtype="int32", name="token_ids"),
            "padding_mask": keras.Input((None,), dtype="bool", name="padding_mask"),
        }
        x = self.encoder(self.token_embedding(inputs["token_ids"]), inputs["padding_mask"])
        super().__init__(inputs, self.dropout_layer(self.norm(x)), dtype=dtype, **kwargs)

        # === Config ===
        self.vocabulary_size = vocabulary_size
        self.num_layers = num_layers
        self.num_heads = num_heads
        self.hidden_dim = hidden_dim
        self.intermediate_dim = intermediate_dim
        self.key_value_dim = key_value_dim
        self.dropout = dropout
        self.activation = get_activation(activation)
        self.use_gated_activation = use_gated_activation
        self.layer_norm_epsilon = layer_norm_epsilon

    def get_config(self):
        return {
            **super().get_config(),
            "vocabulary_size": self.vocabulary_size,
            "num_layers": self.num_layers,
            "num_heads": self.num_heads,
            "hidden_dim": self.hidden_dim,
            "intermediate_dim": self.intermediate_dim,
            "key_value_dim": self.key_value_dim,
            "dropout": self.dropout,
            "activation": serialize_activation(self.activation),
            "use_gated_activation": self.use_gated_activation,
            "layer_norm_epsilon": self.layer_norm_epsilon,
        }
