import keras
from keras import ops


@keras.saving.register_keras_serializable(package="glimmer_keras")
class Adafactor(keras.optimizers.Adafactor):
    """Keras's Adafactor as T5 and the paper train with it: no schedule of its own, and two mends.

    The second moment is a product of two means. With Keras's `epsilon_1` of 1e-30 it is 0 in
    float32 where both are of gradients that are 0, say of an attention head that learns nothing,
    at a distance that does not occur, and the update 0 / 0 makes the weight NaN. And on TensorFlow,
    gradients of embeddings come as slices, one row many times over, whose squares Keras adds up
    where the square of the sum is meant; here they are summed first, as on JAX.

    Args:
        learning_rate: float or `keras.optimizers.schedules.LearningRateSchedule`, relative to the
            root mean square of each weight. The paper's is 1e-4.
        relative_step: see `keras.optimizers.Adafactor`.
        epsilon_1: float, added to squared gradients.
        **options: other arguments of `keras.optimizers.Adafactor`.
    """

    def __init__(self, learning_rate=1e-4, relative_step=False, epsilon_1=1e-16, **options):
        super().__init__(learning_rate, relative_step=relative_step, epsilon_1=epsilon_1, **options)

    def update_step(self, gradient, variable, learning_rate):
        whole = ops.reshape(gradient, variable.shape)  # slices become a tensor
        super().update_step(whole, variable, learning_rate)
