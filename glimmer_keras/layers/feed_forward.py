import keras

from glimmer_keras.layers.projection import Projection


@keras.saving.register_keras_serializable(package="glimmer_keras")
class FeedForward(keras.layers.Layer):
    """The feed-forward half of a T5 block: `(act(x W_gate) * x W_up) W_down`.

    Args:
        hidden_dim: int. Width `d` of the input and output.
        intermediate_dim: int. Width between.
        activation: string or callable. T5.1.1 uses the tanh form of GELU, `"gelu_approximate"`.
        gated: bool. `False` gives T5 1.0's `act(x W_up) W_down`.
        dropout: float. Applied before the last projection.
        use_bias: bool. Whether the projections have one, as BERT's.

    Call arguments:
        inputs: float tensor `(..., hidden_dim)`.

    Returns:
        A tensor of the shape of `inputs`.
    """

    def __init__(
        self,
        hidden_dim,
        intermediate_dim,
        activation="gelu_approximate",
        gated=True,
        dropout=0.0,
        use_bias=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.hidden_dim = hidden_dim
        self.intermediate_dim = intermediate_dim
        self.activation = get_activation(activation)
        self.gated = gated
        self.dropout = dropout
        self.use_bias = use_bias
        kind = {"use_bias": use_bias, "dtype": self.dtype_policy}
        if gated:
            self.gate = Projection(intermediate_dim, hidden_dim**-0.5, name="gate", **kind)
        self.up = Projection(intermediate_dim, hidden_dim**-0.5, name="up", **kind)
        self.down = Projection(hidden_dim, intermediate_dim**-0.5, name="down", **kind)
        self.dropout_layer = keras.layers.Dropout(dropout, dtype=self.dtype_policy)

    def build(self, input_shape):
        if self.gated:
            self.gate.build(input_shape)
        self.up.build(input_shape)
        self.down.build((*input_shape[:-1], self.intermediate_dim))
        self.built = True

    def call(self, inputs, training=None):
        if self.gated:
            x = self.activation(self.gate(inputs)) * self.up(inputs)
        else:
            x = self.activation(self.up(inputs))
        return self.down(self.dropout_layer(x, training=training))

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {
            **super().get_config(),
            "hidden_dim": self.hidden_dim,
            "intermediate_dim": self.intermediate_dim,
            "activation": serialize_activation(self.activation),
            "gated": self.gated,
            "dropout": self.dropout,
            "use_bias": self.use_bias,
        }


@keras.saving.register_keras_serializable(package="glimmer_keras")
def gelu_approximate(x):
    """The tanh approximation of GELU, which T5.1.1 was trained with."""
    return keras.ops.gelu(x, approximate=True)


def get_activation(activation):
    """A callable for `activation`, which may be `"gelu_approximate"` or any Keras name."""
    if activation == "gelu_approximate":
        return gelu_approximate
    return keras.activations.get(activation)


def serialize_activation(activation):
    """The name that `get_activation` turns back into `activation`."""
    if activation is gelu_approximate:
        return "gelu_approximate"
    return keras.activations.serialize(activation)
