import keras
import numpy as np

from glimmer_keras.layers import MemoryEncoder

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


def test_missing_passage_is_finite(rng):
    encoder = MemoryEncoder(2, dtype="mixed_bfloat16", **SIZES)
    out = encoder(rng.normal(size=(1, 2, 5, 8)).astype("float32"), np.zeros((1, 2, 5), bool))
    assert np.isfinite(np.asarray(out, "float32")).all()


def test_config_round_trip():
    encoder = MemoryEncoder(2, dropout=0.1, position_bias_stddev=2.0, **SIZES)
    config = keras.saving.serialize_keras_object(encoder)
    assert keras.saving.deserialize_keras_object(config).get_config() == encoder.get_config()
