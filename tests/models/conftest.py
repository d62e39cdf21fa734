import json

import keras
import keras_hub
import numpy as np
import pytest
from safetensors.numpy import save_file

import glimmer_keras as gk
from glimmer_keras.models.t5_weights import quiet_masks
from recipes.pretraining.tokenizer import train_tokenizer
from tests import EAGERLY

VOCABULARY = 40
SIZES = {
    "vocabulary_size": VOCABULARY,
    "num_layers": 3,
    "num_heads": 2,
    "hidden_dim": 8,
    "intermediate_dim": 16,
    "key_value_dim": 4,
    "dropout": 0.0,
}
# One memory layer, one of stage A, one of stage B.
GLIMMER = {"live_proportion": 2 / 3, "rerank_proportion": 1 / 2, "num_selected": 2}


def make(system="glimmer", **overrides):
    settings = {**SIZES, "num_decoder_layers": 1, **(GLIMMER if system == "glimmer" else {})}
    settings |= overrides
    backbone = gk.GlimmerBackbone.from_size("tiny", system, **settings)
    model = gk.Glimmer(backbone)
    model.compile(run_eagerly=EAGERLY, sampler="greedy")
    return model


@pytest.fixture(scope="session")
def make_model():
    return make


@pytest.fixture(scope="session")
def t5():
    """A KerasHub T5 of the tests' sizes with weights large enough to matter."""
    keras.utils.set_random_seed(3)
    with quiet_masks():
        t5 = keras_hub.models.T5Backbone(
            activation="gelu", tie_embedding_weights=False, use_gated_activation=True, **SIZES
        )
    enlarge(t5)
    return t5


def enlarge(model):
    rng = np.random.default_rng(3)
    for weight in model.weights:
        noise = rng.normal(size=weight.shape)
        if len(weight.shape) == 1:  # norms
            weight.assign(1 + 0.1 * noise)
        elif weight.shape[0] == 32:  # position bias
            weight.assign(noise)
        else:
            weight.assign(noise * weight.shape[0] ** -0.5)


@pytest.fixture(scope="session")
def glimmer():
    """A GLIMMER of two decoder layers with weights large enough to matter."""
    keras.utils.set_random_seed(3)
    model = make(num_decoder_layers=2, activation="gelu")
    enlarge(model.backbone)
    return model


@pytest.fixture
def batch(rng):
    return make_batch(rng)


def make_batch(rng, rows=3, passages=4, question=5, passage=6, target=4):
    def ids(*shape):
        return rng.integers(3, VOCABULARY, shape).astype("int32")

    x = {
        "question_token_ids": ids(rows, question),
        "question_padding_mask": np.ones((rows, question), bool),
        "passage_token_ids": ids(rows, passages, passage),
        "passage_padding_mask": np.ones((rows, passages, passage), bool),
        "decoder_token_ids": ids(rows, target),
        "decoder_padding_mask": np.ones((rows, target), bool),
    }
    x["decoder_token_ids"][:, 0] = 0
    x["question_padding_mask"][1, 3:] = False
    x["passage_padding_mask"][0, 1, 4:] = False
    x["passage_padding_mask"][2, 3] = False  # a missing passage
    for name in ("question", "passage"):
        x[f"{name}_token_ids"][~x[f"{name}_padding_mask"]] = 0
    labels = ids(rows, target)
    weights = np.ones((rows, target), "float32")
    weights[1, 2:] = 0.0
    return x, labels, weights


def numpy_outputs(model, x):
    return {name: np.asarray(value) for name, value in model(x).items()}


@pytest.fixture(scope="session")
def outputs():
    return numpy_outputs


@pytest.fixture(scope="session")
def tokenizer():
    words = "who wrote fidelio beethoven the opera was first given in vienna a sonata moonlight"
    return train_tokenizer([words, *words.split()] * 5, VOCABULARY)


def hugging_face_tensors(t5):
    """The weights of a KerasHub T5 as Hugging Face has them, written down by hand."""

    def numbers(weight, transposed=True):
        weight = np.asarray(weight)
        return weight.T if transposed else weight

    found = {"shared.weight": numbers(t5.token_embedding.embeddings, False)}
    if not t5.tie_embedding_weights:
        found["lm_head.weight"] = numbers(t5.token_embedding.reverse_embeddings)
    for stack in ("encoder", "decoder"):
        layers = getattr(t5, f"{stack}_transformer_layers")
        norm = getattr(t5, f"{stack}_layer_norm")
        found[f"{stack}.final_layer_norm.weight"] = numbers(norm.weight, False)
        found[f"{stack}.block.0.layer.0.SelfAttention.relative_attention_bias.weight"] = numbers(
            layers[0].self_attention.relative_attention_bias, False
        )
        for i, layer in enumerate(layers):
            block, last = f"{stack}.block.{i}.layer", 2 if stack == "decoder" else 1
            halves = [(0, "SelfAttention", "self_attention")]
            if stack == "decoder":
                halves.append((1, "EncDecAttention", "cross_attention"))
            for number, theirs, ours in halves:
                norm = getattr(layer, f"{ours}_layer_norm").weight
                found[f"{block}.{number}.layer_norm.weight"] = numbers(norm, False)
                for letter, part in zip("qkvo", ("query", "key", "value", "output"), strict=True):
                    kernel = getattr(getattr(layer, ours), f"{part}_projector").kernel
                    found[f"{block}.{number}.{theirs}.{letter}.weight"] = numbers(kernel)
            found[f"{block}.{last}.layer_norm.weight"] = numbers(layer.layer_norm.weight, False)
            dense = f"{block}.{last}.DenseReluDense"
            first, second = ("wi_0", "wi_1") if t5.use_gated_activation else ("wi", None)
            found[f"{dense}.{first}.weight"] = numbers(layer.input_projector.kernel)
            if second:
                found[f"{dense}.{second}.weight"] = numbers(layer.gate_projector.kernel)
            found[f"{dense}.wo.weight"] = numbers(layer.output_projector.kernel)
    return found


def hugging_face_config(t5, **settings):
    return {
        "model_type": "t5",
        "vocab_size": t5.vocabulary_size,
        "d_model": t5.hidden_dim,
        "d_kv": t5.key_value_dim,
        "d_ff": t5.intermediate_dim,
        "num_layers": t5.num_layers,
        "num_heads": t5.num_heads,
        # Of a gate, "gelu" would be the tanh approximation, which `t5` does not have.
        "feed_forward_proj": "gated-gelu" if t5.use_gated_activation else "relu",
        **({"dense_act_fn": "gelu"} if t5.use_gated_activation else {}),
        "tie_word_embeddings": t5.tie_embedding_weights,
        **settings,
    }


@pytest.fixture
def write_t5(tmp_path):
    """A function that writes a KerasHub T5 in Hugging Face's form, and gives the directory."""

    def write(t5, dtype="float32", shards=1, change=lambda tensors: tensors, **settings):
        tensors = change(hugging_face_tensors(t5))
        tensors = {k: np.ascontiguousarray(v.astype(dtype)) for k, v in tensors.items()}
        path = tmp_path / "hugging_face"
        path.mkdir()
        config = json.dumps(hugging_face_config(t5, **settings))
        (path / "config.json").write_text(config, encoding="utf-8")
        if shards == 1:
            save_file(tensors, path / "model.safetensors")
            return path
        names, places = list(tensors), {}
        for i in range(shards):
            part, file = names[i::shards], f"model-{i + 1:05}-of-{shards:05}.safetensors"
            save_file({name: tensors[name] for name in part}, path / file)
            places |= dict.fromkeys(part, file)
        index = json.dumps({"metadata": {}, "weight_map": places})
        (path / "model.safetensors.index.json").write_text(index, encoding="utf-8")
        return path

    return write


@pytest.fixture(scope="session")
def t5_1_0():
    """A KerasHub T5 as of T5 1.0: no gate, and the head is the embedding."""
    keras.utils.set_random_seed(4)
    with quiet_masks():
        return keras_hub.models.T5Backbone(
            40, 2, 2, 8, 16, 4, activation="relu", use_gated_activation=False, dropout=0.0
        )
