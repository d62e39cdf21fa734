import keras
import numpy as np
import pytest

from glimmer_keras.pipelines.passage_encoder import PassageEncoder, plan_batches


def test_batches_hold_each_sequence_once_and_little_padding(rng):
    lengths = rng.integers(1, 100, 300)
    batches = list(plan_batches(lengths, 512, step=8))
    rows = np.concatenate([rows for rows, _, _ in batches])
    assert sorted(rows) == list(range(300))
    np.testing.assert_array_equal(lengths[rows], np.sort(lengths)[::-1])
    for rows, size, length in batches:
        assert length == -(-lengths[rows].max() // 8) * 8
        assert size == 512 // length
        assert len(rows) == size or rows is batches[-1][0]
    # The room depends on the length alone, so the shapes are few.
    assert len({length for _, _, length in batches}) == len({batch[1:] for batch in batches})
    assert sum(size * length for _, size, length in batches) < 1.15 * lengths.sum()


def test_a_sequence_longer_than_a_batch_has_one_of_its_own():
    batches = list(plan_batches(np.array([3, 30, 2]), 20, step=4))
    assert [(rows.tolist(), *rest) for rows, *rest in batches] == [([1], 1, 32), ([0, 2], 5, 4)]


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
