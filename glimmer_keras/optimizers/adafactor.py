import keras
from keras import ops


@keras.saving.register_keras_serializable(package="glimmer_keras")
class Adafactor(keras.optimizers.Adafactor):
    """Keras's Adafactor as T5 and the paper train with it: no schedule of its own, and three mends.

    Keras 3.15.1 needs them all; where a later one does not, a test fails. Of a matrix it keeps the
    means of the squared gradient by rows and by columns alone, where Keras keeps a second moment of
    the matrix's size beside them, anew each step: as much memory as the weights. That second moment
    is a product of two means. With Keras's `epsilon_1` of 1e-30 it is 0 in float32 where both are
    of gradients that are 0, say of an attention head that learns nothing, at a distance that does
    not occur, and the update 0 / 0 makes the weight NaN. And on TensorFlow, gradients of embeddings
    come as slices, one row many times over, whose squares Keras adds up where the square of the sum
    is meant; here they are summed first, as on JAX.

    Args:
        learning_rate: float or `keras.optimizers.schedules.LearningRateSchedule`, relative to the
            root mean square of each weight, and at most one over the square root of the step, as
            in Keras. The paper's is 1e-4.
        relative_step: see `keras.optimizers.Adafactor`.
        epsilon_1: float, added to squared gradients.
        **options: other arguments of `keras.optimizers.Adafactor`.
    """

    def __init__(self, learning_rate=1e-4, relative_step=False, epsilon_1=1e-16, **options):
        super().__init__(learning_rate, relative_step=relative_step, epsilon_1=epsilon_1, **options)

    def build(self, variables):
        if self.built:
            return
        keras.optimizers.Optimizer.build(self, variables)
        self._rows, self._columns, self._whole = [], [], []
        for variable in variables:
            rows = columns = whole = None
            if len(variable.shape) < 2:
                whole = self.add_variable_from_reference(variable, "velocity")
            else:
                *outer, height, width = variable.shape
                dtype, name = variable.dtype, f"{variable.name}_velocity"
                rows = self.add_variable((*outer, height), dtype=dtype, name=f"{name}_rows")
                columns = self.add_variable((*outer, width), dtype=dtype, name=f"{name}_columns")
            self._rows.append(rows)
            self._columns.append(columns)
            self._whole.append(whole)

    def update_step(self, gradient, variable, learning_rate):
        """One variable's update, as Keras's to the rounding."""
        gradient = ops.reshape(gradient, variable.shape)  # slices become a tensor
        gradient = ops.cast(gradient, variable.dtype)
        step = ops.cast(self.iterations + 1, variable.dtype)
        rate = ops.cast(learning_rate, variable.dtype)
        rate = ops.minimum(rate, 1 / ops.sqrt(step))
        rate = rate * ops.maximum(
            ops.cast(self.epsilon_2, variable.dtype), _root_mean_square(variable)
        )
        decay = 1 - ops.power(step, self.beta_2_decay)
        squared = ops.square(gradient) + self.epsilon_1

        def moved(moment, value):
            moment_now = decay * moment + (1 - decay) * value
            self.assign(moment, moment_now)
            return moment_now

        number = self._get_variable_index(variable)
        if self._whole[number] is not None:
            update = gradient / ops.sqrt(moved(self._whole[number], squared))
        else:
            rows = moved(self._rows[number], ops.mean(squared, axis=-1))
            columns = moved(self._columns[number], ops.mean(squared, axis=-2))
            rows = rows / ops.mean(rows, axis=-1, keepdims=True)
            update = gradient / ops.sqrt(rows[..., :, None] * columns[..., None, :])
        clip = ops.maximum(1.0, _root_mean_square(update) / self.clip_threshold)
        self.assign_sub(variable, rate * update / clip)


def _root_mean_square(x):
    return ops.sqrt(ops.mean(ops.square(x)))
