import keras
import numpy as np
import pytest

from glimmer_keras.layers import Projection
from glimmer_keras.layers.weights_only import weights_only


def made(mode, rows=70):
    layer = Projection(6)
    layer.build((None, rows))
    kernel = np.random.default_rng(0).normal(size=(rows, 6)).astype("float32")
    layer.kernel.assign(kernel)
    layer.quantize(mode, config=weights_only(mode))
    return layer, kernel


def test_int8_is_the_nearest_of_127_parts_of_the_largest():
    layer, kernel = made("int8")
    whole, scale = np.asarray(layer._kernel), 127 / np.abs(kernel).max(0)
    np.testing.assert_allclose(layer.kernel_scale, scale, rtol=1e-4)
    np.testing.assert_allclose(whole, np.round(kernel * scale), atol=1.01)
    states = np.random.default_rng(1).normal(size=(3, 70)).astype("float32")
    # Products are of floats: nothing is lost but to the rounding of weights.
    expected = states @ (whole / np.asarray(layer.kernel_scale))
    np.testing.assert_allclose(np.asarray(layer(states)), expected, rtol=1e-4, atol=1e-4)


def test_int4_has_a_scale_for_64_inputs():
    layer, kernel = made("int4")
    assert layer.kernel_scale.shape == (2, 6)
    assert layer._kernel.shape == (70, 3)
    states = np.eye(70, dtype="float32")
    error = np.abs(np.asarray(layer(states)) - kernel)
    steps = [np.ptp(part, axis=0) / 15 for part in (kernel[:64], kernel[64:])]
    assert (error[:64] <= 0.8 * steps[0]).all()
    assert (error[64:] <= 0.8 * steps[1]).all()


@pytest.mark.parametrize("mode", ["int8", "int4"])
def test_it_is_built_of_a_policy_as_it_was(mode):
    layer, _ = made(mode)
    policies = keras.dtype_policies.DTypePolicyMap(policy_map={"p": layer.dtype_policy})
    other = Projection(6, dtype=policies, name="p")
    other.build((None, 70))
    assert other.inputs_quantizer is None
    assert other.dtype_policy.quantization_mode == mode
    other.set_weights(layer.get_weights())
    states = np.random.default_rng(1).normal(size=(3, 70)).astype("float32")
    np.testing.assert_array_equal(np.asarray(other(states)), np.asarray(layer(states)))
