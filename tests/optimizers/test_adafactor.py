import keras
import numpy as np
import pytest
from keras import ops

from glimmer_keras.optimizers import Adafactor


class Table(keras.Model):
    """Sums rows of a table, some of them twice; of the second column nothing."""

    def __init__(self, rows):
        super().__init__()
        self.table = self.add_weight(shape=(4, 2), initializer="ones", name="table")
        self.rows = np.array(rows, "int32")

    def call(self, inputs):
        return inputs * ops.sum(ops.take(self.table, self.rows, axis=0)[:, 0])


def step(rows, kind=Adafactor, **options):
    model = Table(rows)
    model.compile(
        kind(0.1, clip_threshold=1e9, relative_step=False, **options),
        loss=lambda y, prediction: ops.mean(prediction - y),
    )
    model.fit(np.ones((1, 1), "float32"), np.zeros((1, 1), "float32"), verbose=0)
    return np.asarray(model.table)


def by_hand(gradient, epsilon):
    """The first step: section 4 of Shazeer and Stern, "Adafactor", with the decay at 0."""
    squared = gradient.astype("float64") ** 2 + epsilon
    rows, columns = squared.mean(axis=1), squared.mean(axis=0)
    second = rows[:, None] * columns[None] / rows.mean()
    return 1.0 - 0.1 * gradient / np.sqrt(second)


def test_a_row_read_twice_counts_as_the_sum():
    gradient = np.array([[1, 0], [2, 0], [3, 0], [1, 0]])
    found = step([0, 1, 1, 2, 2, 2, 3], epsilon_1=1e-4)
    np.testing.assert_allclose(found, by_hand(gradient, 1e-4), rtol=1e-5)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="gradients as slices")
def test_keras_adds_up_squares_of_slices():
    """Where this fails Keras, of which 3.15.1 was tried, has mended it, and ours need not."""
    gradient = np.array([[1, 0], [2, 0], [3, 0], [1, 0]])
    weights = step([0, 1, 1, 2, 2, 2, 3], keras.optimizers.Adafactor, epsilon_1=1e-4)
    assert not np.allclose(weights, by_hand(gradient, 1e-4), rtol=1e-3)


def test_no_gradient_leaves_the_weight():
    """A column that learns nothing, in a row that is not read: 0 / 0 with Keras's `epsilon_1`."""
    found = step([0, 1])
    np.testing.assert_array_equal(found[:, 1], 1.0)
    np.testing.assert_array_equal(found[2:], 1.0)
    assert np.all(found[:2, 0] < 1.0)


def test_no_gradient_makes_keras_not_a_number():
    """Likewise."""
    assert np.isnan(step([0, 1], keras.optimizers.Adafactor)).any()


def test_keras_keeps_a_second_moment_of_a_matrix():
    """Likewise."""
    _, state = updated(keras.optimizers.Adafactor())
    assert {(3, 5), (2, 3, 4)} < {tuple(variable.shape) for variable in state}


def updated(optimizer, steps=4):
    """A matrix, a vector and a stack of matrices after some steps, and the bytes of the state."""
    rng = np.random.default_rng(0)
    shapes = [(3, 5), (4,), (2, 3, 4)]
    weights = [keras.Variable(rng.normal(size=shape).astype("float32")) for shape in shapes]
    optimizer.build(weights)
    for _ in range(steps):
        gradients = [rng.normal(size=shape).astype("float32") for shape in shapes]
        optimizer.apply([ops.convert_to_tensor(gradient) for gradient in gradients])
    return [ops.convert_to_numpy(weight) for weight in weights], optimizer.variables


@pytest.mark.parametrize("options", [{}, {"relative_step": True}, {"clip_threshold": 0.1}])
def test_updates_are_those_of_keras_without_its_matrices(options):
    options = {"learning_rate": 0.1, "epsilon_1": 1e-16, **options}
    found, state = updated(Adafactor(**options))
    expected, _ = updated(keras.optimizers.Adafactor(**{"relative_step": False, **options}))
    for weight, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(weight, other, rtol=1e-5)
    shapes = [tuple(variable.shape) for variable in state if len(variable.shape)]
    assert shapes == [(3,), (5,), (4,), (2, 3), (2, 4)]


def test_accumulated_gradients_make_the_update_of_their_mean():
    rng = np.random.default_rng(1)
    start = rng.normal(size=(3, 2)).astype("float32")
    gradients = rng.normal(size=(4, 3, 2)).astype("float32")

    def run(optimizer, parts):
        weight = keras.Variable(start)
        optimizer.build([weight])
        for part in parts:
            optimizer.apply([ops.convert_to_tensor(part)])
        return ops.convert_to_numpy(weight), int(optimizer.iterations)

    found, iterations = run(Adafactor(0.1, gradient_accumulation_steps=2), gradients)
    means = gradients.reshape(2, 2, 3, 2).mean(axis=1)
    expected, _ = run(Adafactor(0.1), means)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert iterations == 2


@pytest.mark.parametrize("optimizer", [Adafactor(), Adafactor(1e-3, epsilon_1=1e-20)])
def test_config_round_trip(optimizer):
    config = keras.optimizers.serialize(optimizer)
    again = keras.optimizers.deserialize(config)
    assert type(again) is Adafactor
    assert again.get_config() == optimizer.get_config()
    assert again.relative_step is False
