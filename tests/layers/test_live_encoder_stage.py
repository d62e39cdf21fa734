import keras
import numpy as np

from glimmer_keras.layers import LiveEncoderStage, MemoryEncoder, RelativePositionBias

SIZES = {"num_heads": 2, "head_dim": 4, "hidden_dim": 8, "intermediate_dim": 16}


def test_two_stages_with_one_bias_are_one_longer_encoder(rng):
    whole = MemoryEncoder(3, **SIZES)
    states = rng.normal(size=(2, 3, 5, 8)).astype("float32")
    mask = np.ones((2, 3, 5), bool)
    expected = np.asarray(whole(states, mask))
    bias = RelativePositionBias(2)
    bias.build()
    bias.table.assign(whole.position_bias.table)
    first, second = LiveEncoderStage(1, **SIZES), LiveEncoderStage(2, **SIZES)
    for stage, blocks in ((first, whole.blocks[:1]), (second, whole.blocks[1:])):
        stage.build(states.shape)
        for block, source in zip(stage.blocks, blocks, strict=True):
            for target, weight in zip(block.weights, source.weights, strict=True):
                target.assign(weight)
    out = second(first(states, mask, bias(states)), mask, bias(states))
    np.testing.assert_allclose(np.asarray(out), expected, rtol=1e-5, atol=1e-6)


def test_config_round_trip():
    stage = LiveEncoderStage(2, dropout=0.1, gated=False, activation="relu", **SIZES)
    config = keras.saving.serialize_keras_object(stage)
    assert keras.saving.deserialize_keras_object(config).get_config() == stage.get_config()
