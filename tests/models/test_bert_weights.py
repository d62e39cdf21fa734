import keras
import numpy as np
import pytest

import glimmer_keras as gk
from glimmer_keras.models import BertEncoder, matrix_work, memory_fingerprint
from glimmer_keras.models.bert_weights import copy_bert_weights

SIZES = {"num_heads": 2, "hidden_dim": 8, "intermediate_dim": 12}


@pytest.fixture(scope="module")
def bert():
    model = BertEncoder(11, num_layers=3, num_positions=6, **SIZES)
    random = np.random.default_rng(0)
    for weight in model.weights:
        weight.assign(random.normal(size=weight.shape) * 0.5)
    return model


def backbone_of(**settings):
    settings = {
        **SIZES,
        "num_selected": 1,
        "live_proportion": 1 / 2,
        "rerank_proportion": 1 / 2,
        "key_value_dim": 4,
        "num_decoder_layers": 1,
        "encoder_block": "bert",
        "num_positions": 6,
        "use_gated_activation": False,
        "activation": "gelu",
        "layer_norm_epsilon": 1e-12,
        "dropout": 0.0,
    } | settings
    return gk.GlimmerBackbone(11, num_layers=4, **settings)


def test_its_encoder_computes_what_bert_does(bert):
    backbone = backbone_of()
    copy_bert_weights(bert, backbone)
    ids = np.array([[3, 1, 4, 1, 5, 0], [9, 2, 6, 0, 0, 0]])
    mask = ids > 0
    expected = np.asarray(bert({"token_ids": ids, "padding_mask": mask}))
    memory = backbone.encode_memory(ids, mask)
    bias = backbone.live_position_bias(memory)
    ranked = backbone.stage_a(memory, mask, bias)
    np.testing.assert_allclose(np.asarray(ranked)[mask], expected[mask], rtol=1e-4, atol=1e-4)
    # The fourth layer, which BERT has not, passes it on; normalised twice, as it was not before.
    passed = np.asarray(backbone.stage_b(ranked, mask, bias))
    centred = expected - expected.mean(-1, keepdims=True)
    normal = centred / np.sqrt((centred**2).mean(-1, keepdims=True))
    np.testing.assert_allclose(passed[mask], normal[mask], rtol=1e-3, atol=1e-3)
    embeddings = np.asarray(backbone.token_embedding.embeddings)
    assert embeddings.std() == pytest.approx(1.0, rel=1e-5)


@pytest.mark.once_on("tensorflow")
def test_it_answers_and_is_kept_in_a_preset(bert, tmp_path):
    backbone = backbone_of(question_encoder="separate")
    copy_bert_weights(bert, backbone, np.random.default_rng(1).normal(size=(11, 8)))
    glimmer = gk.Glimmer(backbone)
    inputs = {
        "question_token_ids": np.array([[3, 1, 0]]),
        "question_padding_mask": np.array([[True, True, False]]),
        "passage_token_ids": np.array([[[3, 1, 4, 1, 5], [9, 2, 6, 0, 0]]]),
        "passage_padding_mask": np.array([[[True] * 5, [True] * 3 + [False] * 2]]),
        "decoder_token_ids": np.array([[0, 2]]),
        "decoder_padding_mask": np.array([[True, True]]),
    }
    expected = np.asarray(glimmer(inputs)["logits"])
    glimmer.save_to_preset(tmp_path / "preset")
    loaded = gk.Glimmer.from_preset(str(tmp_path / "preset"))
    np.testing.assert_allclose(np.asarray(loaded(inputs)["logits"]), expected, rtol=1e-5, atol=1e-5)
    glimmer.export_to_transformers(tmp_path / "exported")
    exported = gk.Glimmer.from_preset(str(tmp_path / "exported"))
    np.testing.assert_allclose(
        np.asarray(exported(inputs)["logits"]), expected, rtol=1e-5, atol=1e-5
    )


def test_other_sizes_are_refused(bert):
    with pytest.raises(ValueError, match="'num_positions': 6.* Received: .*'num_positions': None"):
        copy_bert_weights(bert, backbone_of(num_positions=None))


def test_too_long_a_text_is_an_error():
    backbone = backbone_of()
    with pytest.raises(
        ValueError, match="at most num_positions=6 tokens. Received: 7 from position 0"
    ):
        backbone.encode_memory(np.ones((1, 7), "int32"), np.ones((1, 7), bool))
    assert keras.ops.shape(backbone.encode_memory(np.ones((1, 2)), np.ones((1, 2), bool)))[1] == 2


@pytest.mark.once_on("tensorflow")
def test_a_reader_of_it_starts_another(bert, tmp_path):
    """The layers before and behind the question may be others; the scorer is new."""
    lumen = backbone_of(num_selected=None, carried_dim=3, tie_embedding_weights=True)
    copy_bert_weights(bert, lumen)
    random = np.random.default_rng(2)
    for weight in lumen.decoder.weights + lumen.memory_encoder.carried.weights:
        weight.assign(random.normal(size=weight.shape))
    reader = gk.Glimmer(lumen)
    with pytest.raises(ValueError, match="must have T5's encoder and decoder"):
        gk.models.t5_weights.to_t5(lumen)
    reader.export_to_transformers(tmp_path / "lumen")
    again = gk.Glimmer.from_t5(tmp_path / "lumen", "lumen", live_proportion=1 / 2, dropout=0.0)
    inputs = {
        "question_token_ids": np.array([[3, 1, 0]]),
        "question_padding_mask": np.array([[True, True, False]]),
        "passage_token_ids": np.array([[[9, 2, 6, 0, 0]]]),
        "passage_padding_mask": np.array([[[True] * 3 + [False] * 2]]),
        "decoder_token_ids": np.array([[0, 2]]),
        "decoder_padding_mask": np.array([[True, True]]),
    }
    expected = np.asarray(reader(inputs)["logits"])
    np.testing.assert_allclose(np.asarray(again(inputs)["logits"]), expected, rtol=1e-5, atol=1e-5)
    other = gk.Glimmer.from_t5(
        tmp_path / "lumen", num_selected=1, live_proportion=3 / 4, rerank_proportion=1 / 3
    )
    assert other.backbone.layer_counts["memory"] == 1
    first = other.backbone.stage_a.blocks[0].attention.query
    expected = np.asarray(lumen.memory_encoder.blocks[1].attention.query.kernel)
    np.testing.assert_array_equal(np.asarray(first.kernel), expected)
    assert other.backbone.memory_dim == 8 + 2 * 3
    assert matrix_work.memory_work(other.backbone, 1).projections == 14 * 2 * 8


def test_memory_of_another_block_is_other_memory(bert, tokenizer):
    preprocessor = gk.GlimmerPreprocessor(tokenizer)
    prints = {
        memory_fingerprint(gk.Glimmer(backbone_of(**more), preprocessor))["memory_encoder"]
        for more in ({}, {"num_positions": 7}, {"carried_dim": 1})
    }
    assert len(prints) == 3
