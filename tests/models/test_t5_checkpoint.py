import json
import logging

import keras_hub
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import glimmer_keras as gk
from glimmer_keras.models import tensor_files
from glimmer_keras.models.t5_checkpoint import T5Checkpoint
from glimmer_keras.models.t5_weights import copy_t5_weights, quiet_masks, to_t5
from glimmer_keras.models.tokenizer_json import to_tokenizer_json
from tests import read
from tests.models.conftest import GLIMMER

HEAD, EMBEDDING = "lm_head.weight", "shared.weight"


@pytest.fixture(scope="module")
def fid(t5):
    """What KerasHub's T5 gives."""
    return gk.Glimmer.from_t5(t5, "fid").backbone


def numbers(weight):
    return np.asarray(weight).astype("float32")


def same_weights(one, other, change=lambda values: values):
    """All but the scorer's, which is no T5's."""
    assert one.get_config() == other.get_config() | {
        "name": one.name,
        "dtype": one.get_config()["dtype"],
    }
    for ours, theirs in zip(one.weights, other.weights, strict=True):
        if "passage_scorer" not in ours.path:
            np.testing.assert_array_equal(numbers(ours), change(numbers(theirs)))


@pytest.mark.parametrize(
    "settings",
    [
        GLIMMER,
        {**GLIMMER, "reranker": "separate", "question_encoder": "separate"},
        {"system": "fid", "cross_attention_every": 2},
    ],
)
def test_weights_are_those_that_keras_hub_gives(t5, write_t5, settings):
    loaded = gk.Glimmer.from_t5(write_t5(t5), **settings)
    same_weights(loaded.backbone, gk.Glimmer.from_t5(t5, **settings).backbone)


def test_keys_and_values_of_grouped_heads_are_means(t5, write_t5):
    settings = {"system": "fid", "cross_attention_key_value_heads": 1}
    loaded = gk.Glimmer.from_t5(write_t5(t5), **settings)
    other = gk.Glimmer.from_t5(t5, **settings)
    for ours, theirs in zip(loaded.weights, other.weights, strict=True):
        np.testing.assert_allclose(numbers(ours), numbers(theirs), rtol=1e-6)


def test_same_answers_as_t5_1_0(t5_1_0, write_t5, batch):
    x = batch[0]
    x = {k: v[:1, :1] if k.startswith("passage") else v[:1] for k, v in x.items()}
    joined = np.concatenate([x["question_token_ids"], x["passage_token_ids"][:, 0]], axis=1)
    with quiet_masks():
        expected = read(
            keras_hub.models.T5Seq2SeqLM(t5_1_0),
            {
                "encoder_token_ids": joined,
                "encoder_padding_mask": np.ones(joined.shape, bool),
                "decoder_token_ids": x["decoder_token_ids"],
                "decoder_padding_mask": x["decoder_padding_mask"],
            },
        )
    loaded = gk.Glimmer.from_t5(str(write_t5(t5_1_0)), "fid", dropout=0.0)
    np.testing.assert_allclose(
        np.asarray(read(loaded, x)["logits"]), np.asarray(expected), atol=1e-4
    )


@pytest.mark.parametrize(
    ("of_file", "of_model"),
    [("bfloat16", "float32"), ("float16", "bfloat16"), ("float32", "bfloat16")],
)
def test_dtypes(t5, fid, write_t5, of_file, of_model):
    loaded = gk.Glimmer.from_t5(write_t5(t5, of_file), "fid", dtype=of_model).backbone
    assert {weight.dtype for weight in loaded.weights} == {of_model}

    def rounded(values):
        return values.astype(of_file).astype(of_model).astype("float32")

    same_weights(loaded, fid, rounded)


def test_several_files_in_parts_of_a_tensor(t5, fid, write_t5, monkeypatch):
    monkeypatch.setattr(tensor_files, "CHUNK", 20)  # two rows of most, half of one of a few
    path = write_t5(t5, shards=3)
    same_weights(gk.Glimmer.from_t5(path, "fid").backbone, fid)


def test_fewer_decoder_layers(t5, fid, write_t5):
    path = write_t5(t5, num_decoder_layers=2)
    loaded = gk.Glimmer.from_t5(path, "fid").backbone
    assert loaded.num_decoder_layers == 2
    for one, other in zip(loaded.decoder.blocks, fid.decoder.blocks, strict=False):
        for ours, theirs in zip(one.weights, other.weights, strict=True):
            np.testing.assert_array_equal(numbers(ours), numbers(theirs))
    with pytest.raises(ValueError, match="num_decoder_layers=2. Received: num_decoder_layers=None"):
        gk.Glimmer.from_t5(path, "fid", num_decoder_layers=3)


@pytest.mark.parametrize(
    ("settings", "head", "scale"),
    [
        # (config.json, whether lm_head.weight differs, d^-0.5 on it; None where it is tied)
        ({"tie_word_embeddings": False}, True, 1.0),
        ({"tie_word_embeddings": False}, False, 1.0),
        ({"tie_word_embeddings": True}, True, 8**-0.5),
        ({"tie_word_embeddings": True}, False, None),
        ({"tie_word_embeddings": None}, False, None),
        ({"tie_word_embeddings": True, "scale_decoder_outputs": False}, True, 1.0),
        ({"tie_word_embeddings": True, "scale_decoder_outputs": False}, False, 1.0),
        ({"tie_word_embeddings": True, "model_type": "mt5"}, True, 1.0),
        ({"tie_word_embeddings": True, "model_type": "mt5"}, False, 1.0),
    ],
)
@pytest.mark.parametrize("written", [True, False])
def test_the_head_is_as_transformers_has_it(t5, write_t5, settings, head, scale, written):
    def change(tensors):
        own = tensors.pop(HEAD)
        if head:
            return {**tensors, HEAD: own}
        return {**tensors, HEAD: tensors[EMBEDDING]} if written else tensors

    checkpoint = T5Checkpoint(str(write_t5(t5, change=change, **settings)))
    assert checkpoint.sizes["tie_embedding_weights"] == (scale is None)
    if scale is not None:
        embedding = t5.token_embedding
        theirs = embedding.reverse_embeddings if head else np.asarray(embedding.embeddings).T
        expected = numbers(theirs) * np.float32(scale)
        found = tensor_files.assemble(expected.shape, "float32", checkpoint.parts(HEAD))
        np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_the_embedding_may_have_its_other_name(t5_1_0, write_t5):
    def change(tensors):
        return {**tensors, "encoder.embed_tokens.weight": tensors.pop(EMBEDDING)}

    path = write_t5(t5_1_0, change=change, vocab_size=4000)
    loaded = gk.Glimmer.from_t5(path, "fid").backbone
    assert loaded.vocabulary_size == 40
    same_weights(loaded, gk.Glimmer.from_t5(t5_1_0, "fid").backbone)


def test_the_tokenizer_comes_along(t5, write_t5, tokenizer, caplog):
    path = write_t5(t5)
    with caplog.at_level(logging.WARNING, "glimmer_keras"):
        assert gk.Glimmer.from_t5(path, "fid", load_weights=False).preprocessor is None
    assert "has no spiece.model and no tokenizer.json" in caplog.text
    caplog.clear()
    given = gk.GlimmerPreprocessor(tokenizer, passage_length=9)
    loaded = gk.Glimmer.from_t5(path, "fid", given, load_weights=False)
    assert loaded.preprocessor is given
    (path / "spiece.model").write_bytes(tokenizer.proto)
    loaded = gk.Glimmer.from_t5(path, "fid", load_weights=False)
    assert loaded.preprocessor.tokenizer.proto == tokenizer.proto
    assert loaded.preprocessor.start_token_id == 0
    assert caplog.text == ""


def test_of_transformers_5_there_is_tokenizer_json_alone(t5, write_t5, tokenizer):
    path = write_t5(t5, decoder_start_token_id=5)
    (path / "tokenizer.json").write_text(to_tokenizer_json(tokenizer.proto))
    loaded = gk.Glimmer.from_t5(path, "fid", load_weights=False).preprocessor
    text = ["who wrote fidelio"]
    assert loaded.tokenizer(text) == tokenizer(text)
    answers = {"questions": text, "passages": [text], "answers": text}
    decoder = loaded(answers)[0]["decoder_token_ids"]
    assert decoder[0, :3].tolist() == [5, *tokenizer(text)[0][:2]]
    assert loaded.generate_preprocess(answers)["decoder_token_ids"][0, :2].tolist() == [5, 0]
    (path / "tokenizer.json").write_text('{"model": {"type": "BPE", "vocab": {}}}')
    with pytest.raises(ValueError, match="tokenizer.json must be of SentencePiece.* BPE"):
        gk.Glimmer.from_t5(path, "fid", load_weights=False)


def test_generation_config_tells_the_start_where_config_does_not(t5, write_t5):
    path = write_t5(t5)
    assert T5Checkpoint(str(path)).start_token_id is None
    (path / "generation_config.json").write_text('{"decoder_start_token_id": 7}')
    assert T5Checkpoint(str(path)).start_token_id == 7


def test_buckets_of_positions(t5, write_t5, tmp_path):
    table = "block.0.layer.0.SelfAttention.relative_attention_bias.weight"
    names = {"relative_attention_num_buckets": 16, "relative_attention_max_distance": 64}
    path = write_t5(
        t5, change=lambda w: {k: v[:16] if k.endswith(table) else v for k, v in w.items()}, **names
    )
    loaded = gk.Glimmer.from_t5(path, "lumen")
    backbone = loaded.backbone
    stages = (backbone.memory_encoder.position_bias, backbone.decoder.position_bias)
    for bias in (*stages, backbone.live_position_bias):
        assert (bias.num_buckets, bias.max_distance) == (16, 64)
    with pytest.raises(ValueError, match=r"KerasHub's buckets of positions.*\[16, 64\]"):
        to_t5(backbone)
    loaded.export_to_transformers(tmp_path / "new")
    config = json.loads((tmp_path / "new" / "config.json").read_text())
    assert {name: config[name] for name in names} == names
    same_weights(gk.Glimmer.from_hugging_face(tmp_path / "new").backbone, backbone)


def test_a_tokenizer_of_another_model_is_refused(t5_1_0, write_t5, tokenizer):
    path = write_t5(
        t5_1_0,
        change=lambda tensors: {k: v[:3] if k == EMBEDDING else v for k, v in tensors.items()},
    )
    (path / "spiece.model").write_bytes(tokenizer.proto)
    with pytest.raises(ValueError, match="must have at most the 3 pieces .* Received: "):
        gk.Glimmer.from_t5(path)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"model_type": "umt5"}, "`model_type` must be one of .*Received: model_type='umt5'"),
        ({"model_type": "glimmer"}, "holds a Glimmer: load it with `Glimmer.from_hugging_face`"),
        ({"d_kv": None, "d_ff": "16"}, "must have the integers .*'d_ff', 'd_kv'"),
        ({"relative_attention_num_buckets": 16}, r"bias.weight of shape \(32, 2\), not \(16, 2\)"),
        ({"relative_attention_max_distance": 8}, "more than the 8 .* max_distance=8"),
        ({"dense_act_fn": "tanh"}, "`feed_forward_proj` must be one of .*dense_act_fn='tanh'"),
        ({"feed_forward_proj": "glu-gelu"}, "with or without 'gated-' .*Received: .*'glu-gelu'"),
        ({"num_heads": 4}, r"q.weight of shape \(8, 8\), not \(16, 8\)"),
        ({"num_layers": 4}, "must hold the .* no encoder.block.3.layer.0.*and .* more"),
    ],
)
def test_configurations_that_are_refused(t5, write_t5, settings, message):
    with pytest.raises(ValueError, match=message):
        gk.Glimmer.from_t5(write_t5(t5, **settings), "fid")


NORM, KERNEL = "decoder.final_layer_norm.weight", "encoder.block.2.layer.1.DenseReluDense.wo.weight"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop(NORM), f"Received: no {NORM}$"),
        (lambda t: t.pop(EMBEDDING), f"Received: no {EMBEDDING}$"),
        (
            lambda t: t.update({KERNEL: t[KERNEL].T.copy()}),
            r"wo.weight of shape \(16, 8\), not \(8, 16\)$",
        ),
        (lambda t: t.update({NORM: t[NORM].astype("int32")}), f"{NORM} of I32, not one of"),
    ],
)
def test_tensors_are_checked_before_one_is_read(t5, write_t5, change, message):
    path = write_t5(t5)
    backbone = gk.Glimmer.from_t5(path, "fid").backbone
    for weight in backbone.weights:
        weight.assign(np.full(weight.shape, 7.0))
    tensors = load_file(path / "model.safetensors")
    change(tensors)
    save_file(tensors, path / "model.safetensors")
    with pytest.raises(ValueError, match=message):
        copy_t5_weights(T5Checkpoint(str(path)), backbone)
    assert all(np.all(np.asarray(weight) == 7.0) for weight in backbone.weights)


def test_torch_files_are_refused_with_the_way_to_convert_them(t5, write_t5):
    path = write_t5(t5)
    (path / "model.safetensors").rename(path / "pytorch_model.bin")
    with pytest.raises(FileNotFoundError) as error:
        gk.Glimmer.from_t5(path)
    command = f"T5ForConditionalGeneration.from_pretrained({str(path)!r}).save_pretrained(OUTPUT)"
    assert command in str(error.value)
    assert "pytorch_model.bin is not read" in str(error.value)


def test_other_directories_are_left_to_keras_hub(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"class_name": "T5Backbone"}))
    with pytest.raises(ValueError, match="Unrecognized format for config.json"):
        gk.Glimmer.from_t5(tmp_path)
