import keras_hub
import numpy as np
import pytest

from glimmer_keras.layers import RelativePositionBias
from glimmer_keras.models.t5_weights import quiet_masks


def test_buckets_by_hand():
    layer = RelativePositionBias(num_heads=1, num_buckets=8, max_distance=16)
    # Half of 8 buckets for each side; exact up to 1, then edges at 2 and 2 * 8^(1/2) = 5.66.
    distances = np.array([[0, 1, 2, 5, 6, 99, -1, -2, -6]])
    buckets = np.asarray(layer._bucket(distances.astype("int32")))
    np.testing.assert_array_equal(buckets, [[0, 5, 6, 6, 7, 7, 1, 2, 3]])


def test_equals_keras_hub_t5():
    with quiet_masks():
        t5 = keras_hub.models.T5Backbone(20, 1, 2, 4, 4, 2)
    stacks = (t5.encoder_transformer_layers, True), (t5.decoder_transformer_layers, False)
    for layers, bidirectional in stacks:
        ours = RelativePositionBias(num_heads=2, bidirectional=bidirectional)
        ours.build()
        theirs = layers[0].self_attention
        theirs.relative_attention_bias.assign(ours.table)
        bias = ours(np.zeros((1, 300, 4), "float32"))
        assert tuple(bias.shape) == (1, 2, 300, 300)
        np.testing.assert_allclose(np.asarray(bias), np.asarray(theirs.compute_bias(300, 300)))


def test_starting_deviation():
    layer = RelativePositionBias(num_heads=64, stddev=2.0)
    layer.build()
    assert np.std(np.asarray(layer.table)) == pytest.approx(2.0, rel=0.1)


def test_config_round_trip():
    layer = RelativePositionBias(2, bidirectional=False, stddev=0.5)
    assert RelativePositionBias.from_config(layer.get_config()).get_config() == layer.get_config()
