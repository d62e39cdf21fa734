import keras
import numpy as np

from glimmer_keras.layers import T5Norm


def test_divides_by_the_root_mean_square():
    norm = T5Norm(epsilon=0.0)
    norm.build((None, 2))
    norm.scale.assign([1.0, 2.0])
    # rms of (3, 4) is sqrt(12.5)
    expected = [[3 / 12.5**0.5, 8 / 12.5**0.5]]
    np.testing.assert_allclose(np.asarray(norm(np.array([[3.0, 4.0]]))), expected, rtol=1e-6)


def test_half_precision_is_normalised_in_float32():
    norm = T5Norm(dtype="mixed_bfloat16")
    out = norm(np.full((1, 4), 300.0, "float32"))
    assert keras.backend.standardize_dtype(out.dtype) == "bfloat16"
    np.testing.assert_array_equal(np.asarray(out, "float32"), np.ones((1, 4)))


def test_config_round_trip():
    norm = T5Norm.from_config(T5Norm(epsilon=0.5).get_config())
    assert norm.epsilon == 0.5
