import keras
from keras import ops


@keras.saving.register_keras_serializable(package="glimmer_keras")
class T5Norm(keras.layers.Layer):
    """Root-mean-square normalisation without centring or bias, in float32 (T5.1.1).

    Args:
        epsilon: float. Added to the mean square.

    Call arguments:
        inputs: float tensor `(..., dim)`.

    Returns:
        A tensor of the shape of `inputs`, in the layer's compute dtype.
    """

    def __init__(self, epsilon=1e-6, **kwargs):
        super().__init__(**kwargs)
        self.epsilon = epsilon

    def build(self, input_shape):
        self.scale = self.add_weight(name="scale", shape=(input_shape[-1],), initializer="ones")
        self.built = True

    def call(self, inputs):
        x = ops.cast(inputs, "float32")
        x = x * ops.rsqrt(ops.mean(ops.square(x), axis=-1, keepdims=True) + self.epsilon)
        return ops.cast(x * ops.cast(self.scale, "float32"), self.compute_dtype)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "epsilon": self.epsilon}
