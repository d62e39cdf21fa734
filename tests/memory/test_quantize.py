import numpy as np

from glimmer_keras.memory.quantize import dequantize, quantize


def test_by_hand():
    values = np.array([[127.0, -63.6, 1.4], [0.0, 0.0, 0.0], [-2.54, 1.27, 0.0]], "float32")
    stored, scales = quantize(values)
    assert stored.tolist() == [[127, -64, 1], [0, 0, 0], [-127, 64, 0]]
    np.testing.assert_allclose(scales, [1.0, 0.0, 0.02], rtol=1e-6)
    assert (stored.dtype, scales.dtype) == (np.int8, np.float32)
    np.testing.assert_allclose(
        dequantize(stored, scales), [[127, -64, 1], [0, 0, 0], [-2.54, 1.28, 0]], rtol=1e-6
    )


def test_error_is_at_most_half_a_step(rng):
    values = rng.standard_normal((50, 7, 32)).astype("float32")
    stored, scales = quantize(values)
    assert np.all(np.abs(dequantize(stored, scales) - values) <= scales[..., None] * 0.5001)
    assert np.abs(stored).max() == 127


def test_extremes():
    tiny, huge = np.float32(1e-45), np.float32(1e38)
    for value in (tiny, np.float32(1e-43), np.float32(1e-38), huge, -huge):
        stored, scales = quantize(np.array([[value, 0, value / 2]], "float32"))
        back = dequantize(stored, scales)
        assert np.isfinite(back).all()
        assert abs(float(back[0, 0]) - float(value)) <= max(abs(float(value)) * 0.3, 1e-43)


def test_no_tokens():
    stored, scales = quantize(np.zeros((0, 3), "float32"))
    assert stored.shape == (0, 3)
    assert scales.shape == (0,)
