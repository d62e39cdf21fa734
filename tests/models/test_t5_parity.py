"""Logits of Hugging Face's T5 and of ours, where `transformers` and torch are (extra `parity`)."""

import warnings

import numpy as np
import pytest

import glimmer_keras as gk
from tests.models.conftest import GLIMMER

torch = pytest.importorskip("torch", reason="the parity extra")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    transformers = pytest.importorskip("transformers", reason="the parity extra")

SIZES = {
    "vocab_size": 40,
    "d_model": 16,
    "d_kv": 6,
    "d_ff": 24,
    "num_layers": 3,
    "num_heads": 2,
    "decoder_start_token_id": 0,
}
SHAPES = {
    "t5": {"feed_forward_proj": "relu"},
    "t5 1.1": {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False},
    "flan": {
        "feed_forward_proj": "gated-gelu",
        "tie_word_embeddings": False,
        "num_decoder_layers": 2,
        "n_positions": 512,
        "output_past": True,
    },
    "mt5": {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False},
}
TIED = ("t5",)


def hugging_face_t5(shape):
    """A random model of numbers large enough to matter, its head apart as published ones'."""
    torch.manual_seed(0)
    kind = "MT5" if shape == "mt5" else "T5"
    config = getattr(transformers, f"{kind}Config")(**SIZES, **SHAPES[shape])
    model = getattr(transformers, f"{kind}ForConditionalGeneration")(config).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.normal_(0, 1 if weight.ndim == 1 or "bias" in name else weight.shape[1] ** -0.5)
    if shape not in TIED:
        head = torch.randn(SIZES["vocab_size"], SIZES["d_model"]) / 4
        model.lm_head.weight = torch.nn.Parameter(head)
        model.config.tie_word_embeddings = False
    return model


def inputs():
    rng = np.random.default_rng(0)
    rows, question, passage, target = 2, 4, 150, 5  # distances beyond the last bucket

    def ids(length):
        return rng.integers(3, 40, (rows, length)).astype("int32")

    masks = {"question": np.ones((rows, question), bool), "passage": np.ones((rows, passage), bool)}
    masks["passage"][1, 99:] = False
    x = {
        "question_token_ids": ids(question),
        "question_padding_mask": masks["question"],
        "passage_token_ids": ids(passage)[:, None],
        "passage_padding_mask": masks["passage"][:, None],
        "decoder_token_ids": ids(target),
        "decoder_padding_mask": np.ones((rows, target), bool),
    }
    x["decoder_token_ids"][:, 0] = 0
    return x


def their_logits(model, x):
    joined = [x["question_token_ids"], x["passage_token_ids"][:, 0]]
    masks = [x["question_padding_mask"], x["passage_padding_mask"][:, 0]]
    with torch.inference_mode():
        found = model(
            input_ids=torch.tensor(np.concatenate(joined, axis=1)).long(),
            attention_mask=torch.tensor(np.concatenate(masks, axis=1)).long(),
            decoder_input_ids=torch.tensor(x["decoder_token_ids"]).long(),
        )
    return found.logits.float().numpy()


def our_logits(model, x):
    return np.asarray(model(x)["logits"])


@pytest.mark.parametrize("shape", SHAPES)
def test_logits_are_those_of_transformers(shape, tmp_path):
    model, x = hugging_face_t5(shape), inputs()
    model.save_pretrained(tmp_path)
    loaded = type(model).from_pretrained(tmp_path)
    expected = their_logits(loaded, x)
    np.testing.assert_allclose(their_logits(model, x), expected, atol=1e-5)
    reader = gk.Glimmer.from_t5(tmp_path, "fid", dropout=0.0)
    assert np.std(expected) > 0.1
    np.testing.assert_allclose(our_logits(reader, x), expected, atol=1e-4)


@pytest.mark.parametrize("shape", ["t5", "t5 1.1"])
def test_a_head_that_was_never_apart(shape, tmp_path):
    """As `transformers` 5 writes a T5.1.1 that it has made: tied, and not scaled."""
    torch.manual_seed(0)
    config = transformers.T5Config(**SIZES, **SHAPES[shape])
    model, x = transformers.T5ForConditionalGeneration(config).eval(), inputs()
    model.save_pretrained(tmp_path)
    reader = gk.Glimmer.from_t5(tmp_path, "fid", dropout=0.0)
    np.testing.assert_allclose(our_logits(reader, x), their_logits(model, x), atol=1e-4)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_files(dtype, tmp_path):
    model, x = hugging_face_t5("t5 1.1"), inputs()
    model.to(getattr(torch, dtype)).save_pretrained(tmp_path)
    reader = gk.Glimmer.from_t5(tmp_path, "fid", dropout=0.0)
    loaded = transformers.T5ForConditionalGeneration.from_pretrained(tmp_path, dtype=torch.float32)
    np.testing.assert_allclose(our_logits(reader, x), their_logits(loaded, x), atol=1e-4)


@pytest.mark.parametrize("system", ["fid", "glimmer"])
@pytest.mark.parametrize("shape", SHAPES)
def test_what_is_written_is_loaded_by_transformers(shape, system, tmp_path):
    hugging_face_t5(shape).save_pretrained(tmp_path / "old")
    settings = GLIMMER if system == "glimmer" else {}
    reader = gk.Glimmer.from_t5(tmp_path / "old", system, **settings)
    reader.export_to_transformers(tmp_path / "new")
    loaded = transformers.AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "new")
    old, x = gk.Glimmer.from_t5(tmp_path / "old", "fid", dropout=0.0), inputs()
    assert isinstance(loaded, transformers.T5ForConditionalGeneration)
    np.testing.assert_allclose(their_logits(loaded, x), our_logits(old, x), atol=1e-4)


@pytest.mark.parametrize("gated", [True, False])
@pytest.mark.parametrize("activation", ["gelu", "gelu_approximate", "relu", "silu"])
def test_activations_are_those_of_transformers(activation, gated, tmp_path):
    sizes = {"vocabulary_size": 40, "num_layers": 2, "num_heads": 2, "hidden_dim": 16}
    sizes |= {"intermediate_dim": 24, "key_value_dim": 6, "dropout": 0.0}
    reader = gk.Glimmer.from_size(
        "tiny", "fid", activation=activation, use_gated_activation=gated, **sizes
    )
    reader.export_to_transformers(tmp_path / "new")
    loaded, x = transformers.T5ForConditionalGeneration.from_pretrained(tmp_path / "new"), inputs()
    np.testing.assert_allclose(their_logits(loaded, x), our_logits(reader, x), atol=1e-4)
    again = gk.Glimmer.from_t5(tmp_path / "new", "fid").backbone
    assert again.get_config()["activation"] == activation


def test_a_reader_that_is_no_t5_is_refused_by_transformers(tmp_path):
    sizes = {"vocabulary_size": 40, "num_layers": 3, "num_heads": 2, "hidden_dim": 16}
    reader = gk.Glimmer.from_size(
        "tiny", intermediate_dim=24, key_value_dim=6, **{**sizes, **GLIMMER}
    )
    reader.export_to_transformers(tmp_path / "new")  # the position biases differ
    with pytest.raises(ValueError, match="glimmer"):
        transformers.AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "new")
    with pytest.raises(OSError, match="model.safetensors"):
        transformers.T5ForConditionalGeneration.from_pretrained(tmp_path / "new")
