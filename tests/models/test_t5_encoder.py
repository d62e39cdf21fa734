import keras
import numpy as np
import pytest

from glimmer_keras.models import T5Encoder
from glimmer_keras.models.t5_names import encoder_weights, keras_hub_weights
from glimmer_keras.models.t5_weights import quiet_masks


@pytest.fixture(scope="module")
def encoder(t5):
    """With the weights of KerasHub's T5."""
    encoder = T5Encoder(40, 3, 2, 8, 16, 4, activation="gelu")
    theirs = keras_hub_weights(t5)
    for name, ours in encoder_weights(encoder):
        ours.assign(theirs[name])
    return encoder


def test_is_the_encoder_of_keras_hubs_t5(encoder, t5, rng):
    ids, mask = rng.integers(2, 40, (2, 7)).astype("int32"), np.ones((2, 7), bool)
    mask[1, 4:] = False
    with quiet_masks():
        expected = t5(
            {
                "encoder_token_ids": ids,
                "encoder_padding_mask": mask,
                "decoder_token_ids": ids[:, :2],
                "decoder_padding_mask": mask[:, :2],
            }
        )["encoder_sequence_output"]
    found = np.asarray(encoder({"token_ids": ids, "padding_mask": mask}))
    np.testing.assert_allclose(found[mask], np.asarray(expected)[mask], rtol=1e-4, atol=1e-4)


def test_config_round_trip(encoder):
    config = encoder.get_config()
    again = T5Encoder.from_config(config)
    assert again.get_config() == config
    assert [w.shape for w in again.weights] == [w.shape for w in encoder.weights]
    whole = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(encoder))
    assert whole.get_config() == config
