import keras
import numpy as np

from glimmer_keras.layers import Projection


def test_applies_one_matrix_to_all_positions(rng):
    layer = Projection(3, stddev=0.5)
    x = rng.normal(size=(2, 4, 5, 6)).astype("float32")
    out = layer(x)
    np.testing.assert_allclose(np.asarray(out), x @ np.asarray(layer.kernel), rtol=1e-4, atol=1e-5)
    assert len(layer.weights) == 1


def test_config_round_trip():
    layer = Projection(3, stddev=0.5)
    config = keras.saving.serialize_keras_object(layer)
    copy = keras.saving.deserialize_keras_object(config)
    assert (copy.units, copy.stddev, copy.use_bias) == (3, 0.5, False)
