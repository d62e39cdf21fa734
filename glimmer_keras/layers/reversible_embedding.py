import keras

from glimmer_keras.layers.weights_only import WeightsOnly


@keras.saving.register_keras_serializable(package="glimmer_keras")
class ReversibleEmbedding(WeightsOnly, keras.layers.ReversibleEmbedding):
    """Keras's embedding that is its own head, whose weights can be quantized alone.

    It has Keras's name, as the weights of presets are kept under that.
    """
