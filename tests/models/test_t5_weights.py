import keras_hub
import numpy as np
import pytest

import glimmer_keras as gk
from glimmer_keras.models.t5_weights import quiet_masks, to_t5
from tests import read
from tests.models.conftest import GLIMMER


@pytest.fixture(scope="module")
def seq2seq(t5):
    with quiet_masks():
        return keras_hub.models.T5Seq2SeqLM(t5)


@pytest.fixture(scope="module")
def glimmer(t5):
    return gk.Glimmer.from_t5(t5, dropout=0.0, **GLIMMER)


def close(a, b):
    np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-4, atol=1e-4)


def one_passage(x):
    """The first row with its first passage, and the same as inputs of KerasHub's T5."""
    x = {k: v[:1, :1] if k.startswith("passage") else v[:1] for k, v in x.items()}
    joined = np.concatenate([x["question_token_ids"], x["passage_token_ids"][:, 0]], axis=1)
    return x, {
        "encoder_token_ids": joined,
        "encoder_padding_mask": np.ones(joined.shape, bool),
        "decoder_token_ids": x["decoder_token_ids"],
        "decoder_padding_mask": x["decoder_padding_mask"],
    }


def test_fid_with_one_passage_is_t5_on_question_and_passage(t5, seq2seq, batch):
    x, t5_inputs = one_passage(batch[0])
    fid = gk.Glimmer.from_t5(t5, "fid", dropout=0.0)
    with quiet_masks():
        expected = read(seq2seq, t5_inputs)
    close(read(fid, x)["logits"], expected)


def test_layers_go_where_the_paper_puts_them(t5, glimmer):
    backbone = glimmer.backbone
    parts = (backbone.memory_encoder, backbone.stage_a, backbone.stage_b)
    for part, layer in zip(parts, t5.encoder_transformer_layers, strict=True):
        close(part.blocks[0].attention.query.kernel, layer.self_attention.query_projector.kernel)
    for table in (backbone.memory_encoder.position_bias.table, backbone.live_position_bias.table):
        close(table, t5.encoder_transformer_layers[0].self_attention.relative_attention_bias)


def test_weights_are_copies(t5):
    model = gk.Glimmer.from_t5(t5, "fid")
    kernel = t5.encoder_transformer_layers[0].self_attention.query_projector.kernel
    before = np.asarray(kernel).copy()
    ours = model.backbone.stage_b.blocks[0].attention.query.kernel
    ours.assign(np.zeros(ours.shape))
    np.testing.assert_array_equal(np.asarray(kernel), before)


def test_separate_parts_start_as_the_shared_ones(t5):
    model = gk.Glimmer.from_t5(
        t5,
        live_proportion=2 / 3,
        rerank_proportion=1 / 2,
        num_selected=2,
        question_encoder="separate",
        reranker="separate",
    ).backbone
    for one, other in zip(
        model.question_encoder.weights, model.memory_encoder.weights, strict=True
    ):
        close(one, other)
    for one, other in zip(
        model.stage_a.blocks[0].weights, model.stage_b.blocks[0].weights, strict=True
    ):
        close(one, other)
    # What comes from T5 is made as 0 first; the scorer does not come from it.
    assert all(np.any(np.asarray(weight)) for weight in model.weights)


def test_keys_and_values_of_grouped_heads_are_means(t5, batch):
    x, _, _ = batch
    reader = gk.Glimmer.from_t5(t5, "fid", dropout=0.0, cross_attention_key_value_heads=1)
    with quiet_masks():
        even = keras_hub.models.T5Backbone.from_config(t5.get_config())
    even.set_weights(t5.get_weights())
    layers = even.decoder_transformer_layers
    for block, layer in zip(reader.backbone.decoder.blocks, layers, strict=True):
        ours, theirs = block.cross_attention, layer.cross_attention
        for mean, kernel in (
            (ours.key.kernel, theirs.key_projector.kernel),
            (ours.value.kernel, theirs.value_projector.kernel),
        ):
            first, second = np.split(np.asarray(kernel), 2, axis=1)
            close(mean, (first + second) / 2)
            kernel.assign(np.tile((first + second) / 2, 2))
    expected = gk.Glimmer.from_t5(even, "fid", dropout=0.0)(x)["logits"]
    close(read(reader, x)["logits"], expected)


def test_sparse_cross_attention_leaves_the_rest_of_t5_out(t5, batch):
    x, _, _ = batch
    sparse = gk.Glimmer.from_t5(t5, "fid", dropout=0.0, cross_attention_every=2)
    full = gk.Glimmer.from_t5(t5, "fid", dropout=0.0)
    for i in (0, 2):
        kernel = full.backbone.decoder.blocks[i].cross_attention.output_projection.kernel
        kernel.assign(np.zeros(kernel.shape))
    close(sparse(x)["logits"], full(x)["logits"])


@pytest.mark.parametrize(
    "settings", [{"cross_attention_key_value_heads": 1}, {"cross_attention_every": 2}]
)
def test_less_cross_attention_is_no_t5(t5, settings):
    reader = gk.Glimmer.from_t5(t5, "fid", **settings)
    ((name, value),) = settings.items()
    with pytest.raises(ValueError, match=f"every decoder layer, with all heads.*{name}={value}"):
        to_t5(reader.backbone)


def test_plain_and_tied_t5_1_0(t5_1_0, batch):
    x, t5_inputs = one_passage(batch[0])
    with quiet_masks():
        expected = keras_hub.models.T5Seq2SeqLM(t5_1_0)(t5_inputs)
    close(gk.Glimmer.from_t5(t5_1_0, "fid")(x)["logits"], expected)


def test_there_and_back_again(t5, glimmer):
    for one, other in zip(to_t5(glimmer.backbone).weights, t5.weights, strict=True):
        close(one, other)


@pytest.mark.parametrize("settings", [{"system": "fid"}, {"live_proportion": 1.0}])
def test_there_and_back_again_without_memory_layers(t5_1_0, settings):
    reader = gk.Glimmer.from_t5(t5_1_0, **settings)
    for one, other in zip(to_t5(reader.backbone).weights, t5_1_0.weights, strict=True):
        close(one, other)


def test_a_model_from_nothing_becomes_a_t5_preset(tmp_path):
    sizes = {"num_layers": 1, "num_heads": 1, "hidden_dim": 8, "intermediate_dim": 8}
    reader = gk.Glimmer.from_size("tiny", "fid", vocabulary_size=20, **sizes)
    to_t5(reader.backbone).save_to_preset(tmp_path)
    with quiet_masks():
        t5 = keras_hub.models.T5Backbone.from_preset(str(tmp_path))
    again = gk.Glimmer.from_t5(t5, "fid")
    assert again.backbone.get_config() == reader.backbone.get_config() | {
        "name": again.backbone.name
    }
    for one, other in zip(again.weights, reader.weights, strict=True):
        close(one, other)


@pytest.mark.parametrize("settings", [{"reranker": "separate"}, {"question_encoder": "separate"}])
def test_only_one_encoder_is_a_t5(t5, settings):
    reader = gk.Glimmer.from_t5(t5, **settings)
    with pytest.raises(ValueError, match="`backbone` must hold one encoder, with neither"):
        to_t5(reader.backbone)


def test_fewer_decoder_layers_are_no_t5_of_keras_hub(make_model, t5):
    with pytest.raises(ValueError, match="as many decoder layers as encoder .*Received: 1 and 3"):
        to_t5(make_model("fid", num_decoder_layers=1).backbone)
    with pytest.raises(ValueError, match="Sizes must be those .*Received: num_decoder_layers=1"):
        gk.Glimmer.from_t5(t5, "fid", num_decoder_layers=1)


def test_position_biases_trained_apart_are_no_t5(t5):
    backbone = gk.Glimmer.from_t5(t5).backbone
    table = backbone.memory_encoder.position_bias.table
    table.assign(table + 1.0)
    with pytest.raises(ValueError, match="must have one position bias for all encoder layers"):
        to_t5(backbone)


def test_from_a_local_preset(t5_1_0, tokenizer, batch, tmp_path):
    t5_1_0.save_to_preset(tmp_path)
    tokenizer.save_to_preset(tmp_path)
    loaded = gk.Glimmer.from_t5(str(tmp_path), "fid", dropout=0.0)
    x, _, _ = batch
    close(
        read(loaded, x)["logits"], read(gk.Glimmer.from_t5(t5_1_0, "fid", dropout=0.0), x)["logits"]
    )
    assert loaded.preprocessor.tokenizer.proto == tokenizer.proto
    with pytest.raises(ValueError, match="Sizes must be those .*num_layers=2.*num_layers=12"):
        gk.Glimmer.from_t5(str(tmp_path), num_layers=12)


def test_errors():
    with pytest.raises(TypeError, match="`t5` must be .*Received: int"):
        gk.Glimmer.from_t5(3)
