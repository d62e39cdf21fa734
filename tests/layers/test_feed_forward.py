import keras
import numpy as np
import pytest

from glimmer_keras.layers import FeedForward


def filled(value, **kwargs):
    layer = FeedForward(hidden_dim=2, intermediate_dim=3, **kwargs)
    layer.build((None, None, 2))
    for weight in layer.weights:
        weight.assign(np.full(weight.shape, value))
    return layer


def test_gated_by_hand():
    # gate = up = 0.5 * (1 + 2) = 1.5; relu keeps it; 1.5 * 1.5 * 3 units * 0.5
    out = filled(0.5, activation="relu")(np.array([[[1.0, 2.0]]]))
    np.testing.assert_allclose(np.asarray(out), [[[3.375, 3.375]]], rtol=1e-6)


def test_plain_by_hand():
    out = filled(0.5, activation="relu", gated=False)(np.array([[[1.0, 2.0]]]))
    np.testing.assert_allclose(np.asarray(out), [[[2.25, 2.25]]], rtol=1e-6)


def test_default_activation_is_tanh_gelu():
    x = np.linspace(-3, 3, 7, dtype="float32")
    expected = 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))
    activation = FeedForward(2, 3).activation
    np.testing.assert_allclose(np.asarray(activation(x)), expected, atol=1e-6)


@pytest.mark.parametrize("activation", ["gelu_approximate", "relu"])
def test_config_round_trip(activation):
    layer = FeedForward(2, 3, activation=activation, gated=False, dropout=0.1)
    config = keras.saving.serialize_keras_object(layer)
    assert keras.saving.deserialize_keras_object(config).get_config() == layer.get_config()
