import json
import math
import shutil

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from glimmer_keras.models import TextEmbedder

SIZES = {"vocab_size": 40, "d_model": 8, "d_kv": 3, "d_ff": 12, "num_layers": 2, "num_heads": 2}
OUT = 5
IDS = np.array([[5, 9, 30, 7, 1, 0, 0], [11, 1, 0, 0, 0, 0, 0]], "int32")
MASK = IDS > 0
# Longer than the greatest distance that has a bucket of its own.
LONG = np.random.default_rng(1).integers(2, 40, (1, 150)).astype("int32")


def write_json(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def write_folder(folder, tokenizer, activation, dense=True):
    """A folder as sentence-transformers keeps it, with random weights."""
    rng = np.random.default_rng(0)

    def tensor(*shape, scale=None):
        return (rng.normal(size=shape) * (scale or shape[-1] ** -0.5)).astype("float32")

    d, inner, wide = SIZES["d_model"], SIZES["d_kv"] * SIZES["num_heads"], SIZES["d_ff"]
    tensors = {"shared.weight": tensor(40, d, scale=1.0)}
    for i in range(SIZES["num_layers"]):
        layer = f"encoder.block.{i}.layer"
        for name in "qkv":
            tensors[f"{layer}.0.SelfAttention.{name}.weight"] = tensor(inner, d)
        tensors[f"{layer}.0.SelfAttention.o.weight"] = tensor(d, inner)
        for name in ("wi_0", "wi_1") if activation == "gated-gelu" else ("wi",):
            tensors[f"{layer}.1.DenseReluDense.{name}.weight"] = tensor(wide, d)
        tensors[f"{layer}.1.DenseReluDense.wo.weight"] = tensor(d, wide)
        for part in (0, 1):
            tensors[f"{layer}.{part}.layer_norm.weight"] = 1 + tensor(d, scale=0.1)
    bias = "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight"
    tensors[bias] = tensor(32, 2, scale=1.0)
    tensors["encoder.final_layer_norm.weight"] = 1 + tensor(d, scale=0.1)
    kinds = ["Transformer", "Pooling", "Dense", "Normalize"]
    paths = ["", "1_Pooling", "2_Dense", "3_Normalize"]
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (kind, path) in enumerate(zip(kinds, paths, strict=True))
        if dense or kind != "Dense"
    ]
    write_json(folder / "modules.json", modules)
    config = {"model_type": "t5", "feed_forward_proj": activation, "dropout_rate": 0.1, **SIZES}
    write_json(folder / "config.json", config)
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": 6})
    modes = {"pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}
    write_json(folder / "1_Pooling" / "config.json", {"word_embedding_dimension": d, **modes})
    (folder / "spiece.model").write_bytes(tokenizer.proto)
    save_file(tensors, folder / "model.safetensors")
    if dense:
        identity = "torch.nn.modules.linear.Identity"
        settings = {"in_features": d, "out_features": OUT, "bias": False}
        write_json(folder / "2_Dense/config.json", {**settings, "activation_function": identity})
        save_file({"linear.weight": tensor(OUT, d)}, folder / "2_Dense" / "model.safetensors")
    return folder


@pytest.fixture(scope="module", params=["relu", "gated-gelu"])
def folder(request, tokenizer, tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("gtr"), tokenizer, request.param)


@pytest.fixture
def broken(tokenizer, tmp_path):
    return write_folder(tmp_path, tokenizer, "relu")


def bucket(distance):
    """T5's, of key minus query, as its code has it."""
    offset, distance = 16 * (distance > 0), abs(distance)
    if distance < 8:
        return offset + distance
    large = 8 + int(math.log(distance / 8) / math.log(128 / 8) * 8 + 1e-9)
    return offset + min(large, 15)


def reference(folder, ids, mask):
    """The vector of one text in NumPy, in float64."""
    w = {name: x.astype("float64") for name, x in load_file(folder / "model.safetensors").items()}
    ids = ids[mask]
    x, positions = w["shared.weight"][ids], range(len(ids))
    table = w["encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight"]
    bias = np.array([[table[bucket(key - query)] for key in positions] for query in positions])

    def norm(x, name):
        return x / np.sqrt(np.mean(x**2, axis=-1, keepdims=True) + 1e-6) * w[f"{name}.weight"]

    for i in range(SIZES["num_layers"]):
        layer = f"encoder.block.{i}.layer"
        y = norm(x, f"{layer}.0.layer_norm")
        q, k, v = (
            (y @ w[f"{layer}.0.SelfAttention.{name}.weight"].T).reshape(len(ids), 2, 3)
            for name in "qkv"
        )
        scores = np.einsum("qhd,khd->qkh", q, k) + bias
        weights = np.exp(scores - scores.max(axis=1, keepdims=True))
        weights /= weights.sum(axis=1, keepdims=True)
        y = np.einsum("qkh,khd->qhd", weights, v).reshape(len(ids), 6)
        x = x + y @ w[f"{layer}.0.SelfAttention.o.weight"].T
        y, feed = norm(x, f"{layer}.1.layer_norm"), f"{layer}.1.DenseReluDense"
        if f"{feed}.wi.weight" in w:
            y = np.maximum(y @ w[f"{feed}.wi.weight"].T, 0)
        else:
            gate = y @ w[f"{feed}.wi_0.weight"].T
            gelu = 1 + np.tanh(np.sqrt(2 / np.pi) * (gate + 0.044715 * gate**3))
            y = gate * gelu / 2 * (y @ w[f"{feed}.wi_1.weight"].T)
        x = x + y @ w[f"{feed}.wo.weight"].T
    pooled = norm(x, "encoder.final_layer_norm").mean(axis=0)
    if (folder / "2_Dense").is_dir():
        pooled = load_file(folder / "2_Dense" / "model.safetensors")["linear.weight"] @ pooled
    return pooled / np.linalg.norm(pooled)


def vectors_of(embedder, ids, mask):
    return np.asarray(embedder({"token_ids": ids, "padding_mask": mask}))


def test_against_numpy(folder):
    embedder = TextEmbedder.from_hugging_face(folder)
    expected = [reference(folder, ids, mask) for ids, mask in zip(IDS, MASK, strict=True)]
    np.testing.assert_allclose(vectors_of(embedder, IDS, MASK), expected, atol=1e-5)
    found = vectors_of(embedder, LONG, LONG > 0)
    np.testing.assert_allclose(found, [reference(folder, LONG[0], LONG[0] > 0)], atol=1e-5)
    assert embedder.dim == OUT


def test_against_transformers(folder):
    torch, transformers = (pytest.importorskip(name) for name in ("torch", "transformers"))
    t5 = transformers.T5EncoderModel.from_pretrained(folder).eval()
    dense = torch.tensor(load_file(folder / "2_Dense" / "model.safetensors")["linear.weight"])
    ids, mask = torch.tensor(IDS, dtype=torch.long), torch.tensor(MASK)
    with torch.inference_mode():
        states = t5(input_ids=ids, attention_mask=mask.long()).last_hidden_state
        pooled = (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        expected = torch.nn.functional.normalize(pooled @ dense.T, dim=-1).numpy()
    found = vectors_of(TextEmbedder.from_hugging_face(folder), IDS, MASK)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_without_projection_in_half_precision_and_in_parts(tokenizer, tmp_path):
    folder = write_folder(tmp_path, tokenizer, "relu", dense=False)
    expected = [reference(folder, ids, mask) for ids, mask in zip(IDS, MASK, strict=True)]
    tensors = {k: v.astype("float16") for k, v in load_file(folder / "model.safetensors").items()}
    (folder / "model.safetensors").unlink()
    names = sorted(tensors)
    parts = {"a.safetensors": names[::2], "b.safetensors": names[1::2]}
    for file, part in parts.items():
        save_file({name: tensors[name] for name in part}, folder / file)
    weight_map = {name: file for file, part in parts.items() for name in part}
    write_json(folder / "model.safetensors.index.json", {"weight_map": weight_map})
    write_json(folder / "1_Pooling" / "config.json", {"pooling_mode": "mean"})
    embedder = TextEmbedder.from_hugging_face(folder)
    assert embedder.dim == SIZES["d_model"]
    np.testing.assert_allclose(vectors_of(embedder, IDS, MASK), expected, atol=3e-3)


def test_texts_are_closed_and_cut(folder, tokenizer):
    inputs = TextEmbedder.from_hugging_face(folder).preprocessor(
        ["opera", "who wrote the moonlight sonata"]
    )
    ids, mask = np.asarray(inputs["token_ids"]), np.asarray(inputs["padding_mask"])
    words = tokenizer(["opera"])[0]
    assert ids[0][mask[0]].tolist() == [*words, 1]
    assert ids.shape == (2, 6)
    assert ids[1, -1] == 1
    preprocessor = TextEmbedder.from_hugging_face(folder, sequence_length=9).preprocessor
    assert preprocessor.sequence_length == 9


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("config.json", {"model_type": "gpt2"}, "must be one of .*'gpt2'"),
        ("config.json", {"feed_forward_proj": "gated-silu"}, "must be a T5 .*'gated-silu'"),
        ("config.json", {"relative_attention_max_distance": 64}, "must be a T5 .*64"),
        ("config.json", {"d_ff": 16}, r"wi.weight of shape \(12, 8\), not \(16, 8\)"),
        ("config.json", {"num_layers": 3}, "Received: no encoder.block.2.layer.0.SelfAttention.q"),
        ("1_Pooling/config.json", {"pooling_mode_cls_token": True}, "pooling must be the mean"),
        ("1_Pooling/config.json", {"pooling_mode": "max"}, "pooling must be the mean"),
        ("2_Dense/config.json", {"bias": True}, "without bias and activation"),
        ("2_Dense/config.json", {"activation_function": "torch.nn.Tanh"}, "without bias and act"),
    ],
)
def test_other_models_are_refused(broken, file, change, message):
    path = broken / file
    write_json(path, {**json.loads(path.read_text()), **change})
    with pytest.raises(ValueError, match=message):
        TextEmbedder.from_hugging_face(broken)


def test_other_modules_are_refused(broken):
    modules = json.loads((broken / "modules.json").read_text())
    write_json(broken / "modules.json", [modules[0], *modules[2:]])
    with pytest.raises(ValueError, match="Received: Transformer, Dense, Normalize$"):
        TextEmbedder.from_hugging_face(broken)


@pytest.mark.parametrize("name", ["model.safetensors", "spiece.model", "modules.json"])
def test_absent_files_are_named(broken, name):
    (broken / name).unlink()
    (broken / "pytorch_model.bin").write_bytes(b"\x80")
    with pytest.raises(FileNotFoundError, match=f"weights in safetensors and the file {name}"):
        TextEmbedder.from_hugging_face(broken)


def test_damaged_files(broken):
    (broken / "model.safetensors").write_bytes(b"none")
    with pytest.raises(ValueError, match="model.safetensors must be a safetensors file"):
        TextEmbedder.from_hugging_face(broken)
    (broken / "config.json").write_text("{")
    with pytest.raises(ValueError, match=r"config\.json must be JSON"):
        TextEmbedder.from_hugging_face(broken)
    shutil.rmtree(broken / "1_Pooling")
    with pytest.raises(FileNotFoundError, match="1_Pooling"):
        TextEmbedder.from_hugging_face(broken)
