import keras
import keras_hub

from glimmer_keras.layers import MemoryEncoder
from glimmer_keras.layers.feed_forward import get_activation, serialize_activation
from glimmer_keras.layers.normal import Normal


@keras.saving.register_keras_serializable(package="glimmer_keras")
class BertEncoder(keras_hub.models.Backbone):
    """The encoder of BERT, DistilBERT, RoBERTa, XLM-RoBERTa or MPNet.

    A text is of one segment, whose embedding is part of the positions' here.

    Args:
        vocabulary_size: int.
        num_layers: int.
        num_heads: int.
        hidden_dim: int.
        intermediate_dim: int. Width inside feed-forward blocks.
        num_positions: int. The most tokens that a text may have.
        dropout: float.
        activation: string. Of the feed-forward blocks.
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
        num_positions=512,
        dropout=0.0,
        activation="gelu",
        layer_norm_epsilon=1e-12,
        dtype=None,
        **kwargs,
    ):
        # === Layers ===
        self.token_embedding = keras.layers.Embedding(
            vocabulary_size,
            hidden_dim,
            embeddings_initializer=Normal(0.02),
            dtype=dtype,
            name="token_embedding",
        )
        self.encoder = MemoryEncoder(
            num_layers,
            num_heads,
            hidden_dim // num_heads,
            hidden_dim,
            intermediate_dim,
            activation,
            False,
            dropout,
            layer_norm_epsilon,
            "bert",
            position_bias_stddev=0.0,  # MPNet alone has biases other than 0
            num_positions=num_positions,
            dtype=dtype,
            name="encoder",
        )

        # === Functional model ===
        inputs = {
            "token_ids": keras.Input((None,), dtype="int32", name="token_ids"),
            "padding_mask": keras.Input((None,), dtype="bool", name="padding_mask"),
        }
        x = self.encoder(self.token_embedding(inputs["token_ids"]), inputs["padding_mask"])
        super().__init__(inputs, x, dtype=dtype, **kwargs)

        # === Config ===
        self.vocabulary_size = vocabulary_size
        self.num_layers = num_layers
        self.num_heads = num_heads
        self.hidden_dim = hidden_dim
        self.intermediate_dim = intermediate_dim
        self.num_positions = num_positions
        self.dropout = dropout
        self.activation = get_activation(activation)
        self.layer_norm_epsilon = layer_norm_epsilon

    def get_config(self):
        return {
            **super().get_config(),
            "vocabulary_size": self.vocabulary_size,
            "num_layers": self.num_layers,
            "num_heads": self.num_heads,
            "hidden_dim": self.hidden_dim,
            "intermediate_dim": self.intermediate_dim,
            "num_positions": self.num_positions,
            "dropout": self.dropout,
            "activation": serialize_activation(self.activation),
            "layer_norm_epsilon": self.layer_norm_epsilon,
        }
