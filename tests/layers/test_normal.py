import keras
import numpy as np
import pytest
from keras import ops

from glimmer_keras.layers.normal import Normal, loaded_next


def draw(initializer):
    return ops.convert_to_numpy(initializer((100, 100)))


def test_values_are_those_of_keras():
    ours, keras_own = Normal(0.5, seed=3), keras.initializers.RandomNormal(0.0, 0.5, seed=3)
    np.testing.assert_array_equal(draw(ours), draw(keras_own))
    again = keras.initializers.deserialize(keras.initializers.serialize(ours))
    np.testing.assert_array_equal(draw(ours), draw(again))


def test_zero_where_weights_are_loaded_next_and_only_there():
    ours = Normal(0.5)
    with loaded_next():
        assert not draw(ours).any()
    with pytest.raises(KeyError), loaded_next():
        raise KeyError
    assert draw(ours).std() == pytest.approx(0.5, rel=0.05)
