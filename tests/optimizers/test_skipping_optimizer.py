import keras
import numpy as np
import pytest
from keras import ops

from glimmer_keras.optimizers import Adafactor, SkippingOptimizer

INNER = {
    "adam": lambda: keras.optimizers.Adam(0.1, global_clipnorm=1.0),
    "adafactor": lambda: Adafactor(0.1),
    "accumulated": lambda: keras.optimizers.SGD(0.1, 0.9, gradient_accumulation_steps=2),
}
GOOD = np.array([[1.0, 2.0], [3.0, -1.0], [0.5, 0.25], [2.0, 2.0]], "float32")


class Table(keras.Model):
    """Input times rows of a table, one of them twice: on TensorFlow its gradients are slices."""

    def __init__(self):
        super().__init__()
        self.table = self.add_weight(shape=(3, 2), initializer="ones", name="table")

    def call(self, inputs):
        rows = ops.take(self.table, np.array([0, 1, 1], "int32"), axis=0)
        return ops.matmul(inputs, ops.transpose(rows))


def loss(y, prediction):
    return ops.mean(ops.square(prediction)) + ops.mean(y)


def values(variables):
    return [np.array(ops.convert_to_numpy(variable)) for variable in variables]


def train(optimizer, x, y):
    """State of the model and of its optimizer after each step."""
    model = Table()
    model.compile(optimizer, loss=loss)
    states = []

    class Look(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            model = self.model
            states.append(values([*model.trainable_variables, *model.optimizer.variables]))

    model.fit(x, y, batch_size=1, shuffle=False, verbose=0, callbacks=[Look()])
    return states, model


@pytest.mark.parametrize(
    ("inner", "bad"),
    [
        ("adam", (np.nan, 0.0)),
        ("adam", (1.0, np.inf)),
        ("adafactor", (np.inf, 0.0)),
        ("accumulated", (np.nan, 0.0)),
    ],
)
def test_a_step_that_is_not_finite_changes_nothing(inner, bad):
    """`bad` is a value of the input, or of a term of the loss that has no gradient."""
    x = np.insert(GOOD, 2, [bad[0], 1.0], axis=0)
    y = np.array([[0.0]] * 2 + [[bad[1]]] + [[0.0]] * 2, "float32")
    states, model = train(SkippingOptimizer(INNER[inner]()), x, y)
    for before, after in zip(states[1], states[2], strict=True):
        np.testing.assert_array_equal(before, after)
    plain, other = train(INNER[inner](), GOOD, np.zeros((4, 1), "float32"))
    assert int(model.optimizer.updates) == 4
    assert int(model.optimizer.iterations) == int(other.optimizer.iterations)
    found = values([*model.trainable_variables, *model.optimizer.inner_optimizer.variables])
    for one, expected in zip(found, plain[-1], strict=True):
        np.testing.assert_allclose(one, expected, rtol=1e-6, atol=1e-30)
    assert not np.array_equal(plain[0][0], plain[-1][0])
    assert float(model.optimizer.dynamic_scale) == 1.0


def test_config_round_trip():
    optimizer = SkippingOptimizer(Adafactor(0.25), name="mine")
    again = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert type(again) is SkippingOptimizer
    assert type(again.inner_optimizer) is Adafactor
    assert again.get_config() == optimizer.get_config()
    assert float(again.learning_rate) == 0.25
