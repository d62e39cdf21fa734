import keras
import numpy as np

from glimmer_keras.layers import LiveEncoderStage, MemoryEncoder

SIZES = {"num_heads": 2, "head_dim": 4, "hidden_dim": 8, "intermediate_dim": 16}


def test_passages_are_encoded_alone_and_padding_is_not_read(rng):
    encoder = MemoryEncoder(2, **SIZES)
    embeddings = rng.normal(size=(2, 3, 5, 8)).astype("float32")
    mask = np.ones((2, 3, 5), bool)
    mask[..., 4] = False
    memory = np.asarray(encoder(embeddings, mask))
    assert memory.shape == (2, 3, 5, 8)
    alone = np.asarray(encoder(embeddings[1, 2, None, :4], mask[1, 2, None, :4]))
    np.testing.assert_allclose(memory[1, 2, :4], alone[0], rtol=1e-4, atol=1e-5)


def test_no_layers_gives_the_embeddings(rng):
    embeddings = rng.normal(size=(1, 5, 8)).astype("float32")
    out = MemoryEncoder(0, **SIZES)(embeddings, np.ones((1, 5), bool))
    np.testing.assert_array_equal(np.asarray(out), embeddings)


def test_tokens_are_carried_past_the_layers(rng):
    encoder = MemoryEncoder(2, carried_dim=3, **SIZES)
    embeddings, mask = rng.normal(size=(2, 5, 8)).astype("float32"), np.ones((2, 5), bool)
    memory = np.asarray(encoder(embeddings, mask))
    assert memory.shape == encoder.compute_output_shape(embeddings.shape) == (2, 5, 8 + 2 * 3)
    told = embeddings @ np.asarray(encoder.carried.kernel)
    np.testing.assert_allclose(memory[..., 8:11], told[..., :3], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(memory[:, 1:, 11:], told[:, :-1, 3:], rtol=1e-5, atol=1e-5)
    assert not memory[:, 0, 11:].any()
    plain = MemoryEncoder(2, **SIZES)
    plain.build(embeddings.shape)
    plain.set_weights([w for w in encoder.get_weights() if w.shape != (8, 6)])
    np.testing.assert_allclose(
        memory[..., :8], np.asarray(plain(embeddings, mask)), rtol=1e-5, atol=1e-5
    )
    # Live layers change the others alone.
    stage = LiveEncoderStage(1, **SIZES)
    read = np.asarray(stage(memory, mask, np.zeros((1, 2, 5, 5), "float32")))
    np.testing.assert_array_equal(read[..., 8:], memory[..., 8:])
    np.testing.assert_allclose(
        read[..., :8],
        np.asarray(stage(memory[..., :8], mask, np.zeros((1, 2, 5, 5), "float32"))),
        rtol=1e-5,
        atol=1e-5,
    )


def test_missing_passage_is_finite(rng):
    encoder = MemoryEncoder(2, dtype="mixed_bfloat16", **SIZES)
    out = encoder(rng.normal(size=(1, 2, 5, 8)).astype("float32"), np.zeros((1, 2, 5), bool))
    assert np.isfinite(np.asarray(out, "float32")).all()


def test_config_round_trip():
    encoder = MemoryEncoder(2, dropout=0.1, position_bias_stddev=2.0, carried_dim=1, **SIZES)
    config = keras.saving.serialize_keras_object(encoder)
    assert keras.saving.deserialize_keras_object(config).get_config() == encoder.get_config()
