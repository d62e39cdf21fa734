import keras
import keras_hub
import numpy as np
import pytest

from glimmer_keras.models import T5Encoder, TextEmbedder, embedder_fingerprint
from glimmer_keras.models.t5_weights import quiet_masks
from tests import read

TEXTS = ["who wrote fidelio", "moonlight sonata", ""]


def make_encoder():
    keras.utils.set_random_seed(0)
    return T5Encoder(40, 1, 2, 8, 8, 4)


@pytest.fixture
def preprocessor(tokenizer):
    return keras_hub.models.T5Preprocessor(tokenizer, 12)


@pytest.fixture
def inputs(rng):
    ids, mask = rng.integers(2, 30, (3, 6)).astype("int32"), np.ones((3, 6), bool)
    mask[1, 2:] = False
    return {"token_ids": np.where(mask, ids, 0), "padding_mask": mask}


def mean_of_real_tokens(states, mask):
    means = np.stack([row[real].mean(axis=0) for row, real in zip(states, mask, strict=True)])
    return means / np.linalg.norm(means, axis=1, keepdims=True)


def test_mean_projection_and_norm(inputs):
    encoder = make_encoder()
    embedder = TextEmbedder(encoder, projection_dim=5)
    found = np.asarray(read(embedder, inputs))
    kernel = np.asarray(embedder.projection.kernel)
    expected = mean_of_real_tokens(
        np.asarray(read(encoder, inputs)) @ kernel, inputs["padding_mask"]
    )
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert (embedder.dim, TextEmbedder(encoder).dim) == (5, 8)
    longer = {name: np.pad(x, ((0, 0), (0, 3))) for name, x in inputs.items()}
    np.testing.assert_allclose(np.asarray(read(embedder, longer)), found, atol=1e-6)


def test_a_text_without_tokens_gives_finite_numbers():
    x = {"token_ids": np.zeros((1, 4), "int32"), "padding_mask": np.zeros((1, 4), bool)}
    assert np.isfinite(np.asarray(TextEmbedder(make_encoder())(x))).all()


def test_of_keras_hubs_t5(t5, inputs):
    """Its encoder; the decoder gets two tokens, and changes nothing."""
    ids, mask = inputs["token_ids"], inputs["padding_mask"]
    with quiet_masks():
        embedder = TextEmbedder(t5)
        found = np.asarray(read(embedder, inputs))
        states = t5(
            {
                "encoder_token_ids": ids,
                "encoder_padding_mask": mask,
                "decoder_token_ids": ids[:, ::-1],
                "decoder_padding_mask": np.ones(mask.shape, bool),
            }
        )["encoder_sequence_output"]
    np.testing.assert_allclose(found, mean_of_real_tokens(np.asarray(states), mask), atol=1e-5)


def test_of_bert(inputs):
    """KerasHub's own embedder of that form, as all-MiniLM has it, gives the same."""
    bert = keras_hub.models.BertBackbone(30, 1, 2, 8, 8, max_sequence_length=12)
    theirs = keras_hub.models.BertTextEmbedder(bert)
    segments = {"segment_ids": np.zeros_like(inputs["token_ids"])}
    expected = np.asarray(theirs({**inputs, **segments}))
    np.testing.assert_allclose(np.asarray(TextEmbedder(bert)(inputs)), expected, atol=1e-5)


def test_of_an_encoder_with_one_output(inputs):
    roberta = keras_hub.models.RobertaBackbone(30, 1, 2, 8, 8, max_sequence_length=12)
    expected = mean_of_real_tokens(np.asarray(roberta(inputs)), inputs["padding_mask"])
    np.testing.assert_allclose(np.asarray(TextEmbedder(roberta)(inputs)), expected, atol=1e-5)


def test_what_is_no_text_encoder_is_refused():
    images = keras.Input((4, 4, 3), name="images")
    with pytest.raises(
        ValueError, match=r"encoder of token ids. Received: Functional with inputs \['im"
    ):
        TextEmbedder(keras.Model({"images": images}, images))
    ids = keras.Input((None,), dtype="int32", name="token_ids")
    with pytest.raises(ValueError, match=r"must have one of the outputs .*Received: \['logits'\]"):
        TextEmbedder(keras.Model({"token_ids": ids}, {"logits": ids}))


def test_a_preset_keeps_all_of_it(preprocessor, inputs, tmp_path):
    embedder = TextEmbedder(make_encoder(), preprocessor, projection_dim=5)
    embedder.save_to_preset(str(tmp_path))
    again = TextEmbedder.from_preset(str(tmp_path))
    np.testing.assert_array_equal(
        np.asarray(read(again, inputs)), np.asarray(read(embedder, inputs))
    )
    assert again.preprocessor.sequence_length == 12
    assert embedder_fingerprint(again) == embedder_fingerprint(embedder)


def test_fingerprint(tokenizer, preprocessor):
    def of(encoder, preprocessor, **options):
        return embedder_fingerprint(TextEmbedder(encoder, preprocessor, **options))

    first = of(make_encoder(), preprocessor)
    assert first == of(make_encoder(), preprocessor)
    changed = make_encoder()
    changed.norm.scale.assign(changed.norm.scale * 2)
    shorter = keras_hub.models.T5Preprocessor(tokenizer, 11)
    without_end = keras_hub.models.T5Preprocessor(tokenizer, 12, add_end_token=False)
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "opera"]
    bert = keras_hub.models.BertTextEmbedderPreprocessor(
        keras_hub.models.BertTokenizer(vocabulary), 12
    )
    keras.utils.set_random_seed(0)
    others = {
        of(changed, preprocessor),
        of(make_encoder(), shorter),
        of(make_encoder(), without_end),
        of(make_encoder(), bert),
        of(make_encoder(), preprocessor, projection_dim=8),
        of(T5Encoder(40, 1, 2, 8, 8, 4, layer_norm_epsilon=1e-5), preprocessor),
    }
    assert len(others | {first}) == 7
