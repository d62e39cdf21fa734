import json
import math

import keras
import keras_hub
import numpy as np
import pytest
import tokenizers
from safetensors.numpy import load_file, save_file

from glimmer_keras.models import TextEmbedder, embedder_fingerprint
from glimmer_keras.pipelines import TextVectors
from tests import read

D, HEADS, INNER, LAYERS, POSITIONS = 8, 2, 12, 2, 24
WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "café",
    "who",
    "wrote",
    "fidelio",
    "##s",
    "[",
    "]",
    "sep",
]
SIZES = {
    "hidden_size": D,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "intermediate_size": INNER,
    "hidden_act": "gelu",
}
DISTIL = {"dim": D, "n_layers": LAYERS, "n_heads": HEADS, "hidden_dim": INNER, "activation": "gelu"}
COMMON = {"vocab_size": len(WORDS), "max_position_embeddings": POSITIONS, "layer_norm_eps": 1e-5}
BERT = [f"attention.self.{name}" for name in ("query", "key", "value")]
ENDS = ["intermediate.dense", "output.dense", "output.LayerNorm"]
# By kind: its settings, the prefix of its names, those of a layer's parts, its first position.
KINDS = {
    "bert": (SIZES, "", "encoder.layer", [*BERT, "attention.output.dense"], 0),
    "roberta": (SIZES, "roberta.", "encoder.layer", [*BERT, "attention.output.dense"], 2),
    "mpnet": (SIZES, "", "encoder.layer", [f"attention.attn.{n}" for n in "qkvo"], 2),
    "distilbert": (
        DISTIL,
        "distilbert.",
        "transformer.layer",
        [f"attention.{n}_lin" for n in ("q", "k", "v", "out")],
        0,
    ),
}
AFTER = {"mpnet": "attention.LayerNorm", "distilbert": "sa_layer_norm"}
IDS = np.array([[2, 5, 6, 7, 8, 3], [2, 4, 3, 0, 0, 0]], "int32")
MASK = np.array([[1] * 6, [1, 1, 1, 0, 0, 0]], bool)


def parts_of(kind):
    ends = ["ffn.lin1", "ffn.lin2", "output_layer_norm"] if kind == "distilbert" else ENDS
    return [*KINDS[kind][3], AFTER.get(kind, "attention.output.LayerNorm"), *ends]


def write_json(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def write_folder(folder, kind, pooling="mean", words=WORDS, **settings):
    """A sentence encoder with random weights, as sentence-transformers keeps it."""
    rng = np.random.default_rng(0)

    def tensor(*shape):
        return (rng.normal(size=shape) / 2).astype("float32")

    sizes, prefix, blocks, *_ = KINDS[kind]
    tensors = {
        "embeddings.word_embeddings.weight": tensor(len(words), D),
        "embeddings.position_embeddings.weight": tensor(POSITIONS, D),
        "embeddings.LayerNorm.weight": tensor(D),
        "embeddings.LayerNorm.bias": tensor(D),
    }
    if kind in ("bert", "roberta"):
        tensors["embeddings.token_type_embeddings.weight"] = tensor(2, D)
    if kind == "mpnet":
        tensors["encoder.relative_attention_bias.weight"] = tensor(32, HEADS)
    shapes = [(D, D)] * 4 + [(D,), (INNER, D), (D, INNER), (D,)]
    for layer in range(LAYERS):
        for part, shape in zip(parts_of(kind), shapes, strict=True):
            tensors[f"{blocks}.{layer}.{part}.weight"] = tensor(*shape)
            tensors[f"{blocks}.{layer}.{part}.bias"] = tensor(shape[0])
    save_file({prefix + k: v for k, v in tensors.items()}, folder / "model.safetensors")
    config = {"model_type": kind, "pad_token_id": 0, **sizes, **COMMON, **settings}
    config["vocab_size"] = len(words)
    write_json(folder / "config.json", config)
    kinds = ["Transformer", "Pooling"]
    paths = ["", "1_Pooling"]
    modules = [
        {"path": path, "type": f"sentence_transformers.models.{name}"}
        for path, name in zip(paths, kinds, strict=True)
    ]
    write_json(folder / "modules.json", modules)
    mode = {"mean": "pooling_mode_mean_tokens", "cls": "pooling_mode_cls_token"}[pooling]
    write_json(folder / "1_Pooling" / "config.json", {"word_embedding_dimension": D, mode: True})
    tokenizer = tokenizers.Tokenizer(
        tokenizers.models.WordPiece({w: n for n, w in enumerate(words)}, unk_token="[UNK]")
    )
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    tokenizer.normalizer = tokenizers.normalizers.BertNormalizer(strip_accents=False)
    tokenizer.add_special_tokens(["[PAD]", "[CLS]", "[SEP]"])
    tokenizer.post_processor = tokenizers.processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def bucket(distance):
    """MPNet's, of key minus query, as its code has it."""
    offset, distance = 16 * (distance > 0), abs(distance)
    if distance < 8:
        return offset + distance
    return offset + min(8 + int(math.log(distance / 8) / math.log(16) * 8 + 1e-9), 15)


def states_of(folder, kind, ids):
    """The states of one text in NumPy, in float64."""
    _, prefix, blocks, _, first = KINDS[kind]
    w = {
        name.removeprefix(prefix): x.astype("float64")
        for name, x in load_file(folder / "model.safetensors").items()
    }

    def norm(x, name):
        x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
        return x * w[f"{name}.weight"] + w[f"{name}.bias"]

    def dense(x, name):
        return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    n = len(ids)
    x = w["embeddings.word_embeddings.weight"][ids]
    x = x + w["embeddings.position_embeddings.weight"][first : first + n]
    if kind in ("bert", "roberta"):
        x = x + w["embeddings.token_type_embeddings.weight"][0]
    x = norm(x, "embeddings.LayerNorm")
    bias = np.zeros((n, n, HEADS))
    if kind == "mpnet":
        table = w["encoder.relative_attention_bias.weight"]
        bias = np.array([[table[bucket(k - q)] for k in range(n)] for q in range(n)])
    for layer in range(LAYERS):
        names = [f"{blocks}.{layer}.{part}" for part in parts_of(kind)]
        q, k, v = (dense(x, name).reshape(n, HEADS, D // HEADS) for name in names[:3])
        scores = np.einsum("qhd,khd->qkh", q, k) / np.sqrt(D // HEADS) + bias
        weights = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        y = np.einsum("qkh,khd->qhd", weights, v).reshape(n, D)
        x = norm(x + dense(y, names[3]), names[4])
        y = dense(x, names[5])
        y = y * (1 + np.vectorize(math.erf)(y / np.sqrt(2))) / 2
        x = norm(x + dense(y, names[6]), names[7])
    return x


@pytest.mark.parametrize("kind", KINDS)
def test_against_numpy(kind, tmp_path):
    folder = write_folder(tmp_path, kind)
    embedder = TextEmbedder.from_hugging_face(folder)
    means = [
        states_of(folder, kind, ids[mask]).mean(0) for ids, mask in zip(IDS, MASK, strict=True)
    ]
    expected = [mean / np.linalg.norm(mean) for mean in means]
    found = np.asarray(read(embedder, {"token_ids": IDS, "padding_mask": MASK}))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert embedder.preprocessor.sequence_length == POSITIONS - KINDS[kind][-1]


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("bert"), "bert")


def test_the_first_state_not_normalised_with_prompts(tmp_path):
    folder = write_folder(tmp_path, "bert", "cls")
    settings = {
        "prompts": {"query": "who ", "document": "fidelio "},
        "similarity_fn_name": "dot",
    }
    write_json(folder / "config_sentence_transformers.json", settings)
    encode = TextVectors(TextEmbedder.from_hugging_face(folder))
    expected = [states_of(folder, "bert", np.array(ids))[0] for ids in ([2, 5, 6, 3], [2, 7, 6, 3])]
    np.testing.assert_allclose(encode(["wrote"]), expected[:1], atol=1e-5)
    np.testing.assert_allclose(encode.passages(["wrote"]), expected[1:], atol=1e-5)
    given = TextEmbedder.from_hugging_face(folder, query_prompt="", passage_prompt="")
    np.testing.assert_allclose(TextVectors(given)(["fidelio wrote"]), expected[1:], atol=1e-5)


def test_tokens_are_of_the_tokenizers_library(bert):
    preprocessor = TextEmbedder.from_hugging_face(bert, sequence_length=5).preprocessor
    inputs = preprocessor(["café", "who wrote fidelios who", "[SEP]"])
    assert inputs["token_ids"].tolist() == [[2, 4, 3, 0, 0], [2, 5, 6, 7, 3], [2, 9, 11, 10, 3]]
    assert inputs["padding_mask"].sum(axis=1).tolist() == [3, 5, 5]


def test_lengths_are_where_sentence_transformers_keeps_them(tmp_path):
    folder = write_folder(tmp_path, "bert")
    for length, expected in ((int(1e30), POSITIONS), (7, 7)):
        write_json(folder / "tokenizer_config.json", {"model_max_length": length})
        preprocessor = TextEmbedder.from_hugging_face(folder).preprocessor
        assert preprocessor.sequence_length == expected
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": 5, "do_lower_case": True})
    preprocessor = TextEmbedder.from_hugging_face(folder).preprocessor
    assert (preprocessor.sequence_length, preprocessor.lowercase) == (5, True)


def test_predict_takes_strings(bert):
    embedder = TextEmbedder.from_hugging_face(bert)
    found = embedder.predict(["who wrote", "café"], verbose=0)
    np.testing.assert_allclose(found, TextVectors(embedder)(["who wrote", "café"]), atol=1e-6)


def test_a_preset_is_loaded_back(bert, tmp_path):
    embedder = TextEmbedder.from_hugging_face(bert, sequence_length=9, query_prompt="who ")
    embedder.save_to_preset(str(tmp_path))
    again = TextEmbedder.from_preset(str(tmp_path))
    assert embedder_fingerprint(again) == embedder_fingerprint(embedder)
    found = [TextVectors(one)(["wrote fidelio"]) for one in (embedder, again)]
    np.testing.assert_array_equal(*found)


def test_other_presets_are_refused(tmp_path):
    keras_hub.models.BertBackbone(12, 1, 2, 8, 8).save_to_preset(str(tmp_path))
    with pytest.raises(ValueError, match="must be of a TextEmbedder; a folder .* None"):
        TextEmbedder.from_preset(str(tmp_path))


def test_keras_hubs_embedder_is_taken(tmp_path):
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "opera"]
    keras.utils.set_random_seed(0)
    theirs = keras_hub.models.BertTextEmbedder(
        keras_hub.models.BertBackbone(6, 1, 2, 8, 8, max_sequence_length=12),
        keras_hub.models.BertTextEmbedderPreprocessor(
            keras_hub.models.BertTokenizer(vocabulary, lowercase=True), 12
        ),
    )
    texts = ["opera", "opera opera"]
    expected = theirs.predict(texts, verbose=0)
    np.testing.assert_allclose(TextVectors(theirs)(texts), expected, atol=1e-6)
    ours = TextEmbedder(theirs.backbone, theirs.preprocessor)
    ours.save_to_preset(str(tmp_path))
    again = TextEmbedder.from_preset(str(tmp_path))
    np.testing.assert_allclose(TextVectors(again)(texts), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hidden_act": "silu"}, "one of the activations .*'silu'"),
        ({"position_embedding_type": "rotary"}, "absolute positions.*'rotary'"),
        ({"num_hidden_layers": 3}, "no encoder.layer.2.attention.self.query.weight"),
        ({"max_position_embeddings": 30}, r"of shape \(24, 8\), not \(30, 8\)"),
    ],
)
def test_other_encoders_are_refused(settings, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        TextEmbedder.from_hugging_face(write_folder(tmp_path, "bert", **settings))


def test_what_is_refused(bert, tmp_path):
    with pytest.raises(ValueError, match="at most the 24 positions .* sequence_length=25"):
        TextEmbedder.from_hugging_face(bert, sequence_length=25)
    write_folder(tmp_path, "bert")
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ValueError, match=r"tokenizer.json: `proto` must be a tokenizer.json"):
        TextEmbedder.from_hugging_face(tmp_path)
    (tmp_path / "tokenizer.json").unlink()
    with pytest.raises(FileNotFoundError, match="and the file tokenizer.json"):
        TextEmbedder.from_hugging_face(tmp_path)
