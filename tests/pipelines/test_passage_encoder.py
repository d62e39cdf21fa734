import keras
import numpy as np
import pytest

from glimmer_keras.pipelines.passage_encoder import PassageEncoder


def test_memory_is_what_the_backbone_gives_for_the_preprocessor(encoder_model, passages, caplog):
    texts = [passage.content for passage in passages]
    texts = [text or " " for text in texts]  # An empty string is a missing passage there.
    inputs = encoder_model.preprocessor.generate_preprocess(
        {"questions": ["q"], "passages": [texts]}
    )
    ids, mask = inputs["passage_token_ids"][0], inputs["passage_padding_mask"][0]
    expected = keras.ops.convert_to_numpy(encoder_model.backbone.encode_memory(ids, mask))
    encoder, batches = PassageEncoder(encoder_model, tokens_per_batch=70), []
    tokens = encoder.tokenize(passages)
    np.testing.assert_array_equal(tokens.ids, ids)
    np.testing.assert_array_equal(tokens.lengths, mask.sum(-1))
    assert tokens.truncated > 1
    assert f"{tokens.truncated} of 22 passages cut to 24 tokens" in caplog.text
    memory = encoder.encode(tokens, batches.append)
    assert sum(batches) == len(passages)
    assert len(batches) > 4
    for number, length in enumerate(tokens.lengths):
        assert memory[number].shape == (length, encoder_model.backbone.hidden_dim)
        np.testing.assert_allclose(memory[number], expected[number, :length], rtol=0, atol=1e-5)


def test_errors(encoder_model):
    with pytest.raises(ValueError, match=r"`tokens_per_batch` must be at least 1\. Received: .*=0"):
        PassageEncoder(encoder_model, tokens_per_batch=0)
