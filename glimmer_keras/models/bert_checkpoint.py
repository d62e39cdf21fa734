"""Encoders of BERT's family in Hugging Face's form: their sizes and their weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from glimmer_keras.models.bert_encoder import BertEncoder
from glimmer_keras.models.tensor_files import TensorFiles, assemble

# Of the feed-forward blocks: Hugging Face's names, and Keras's.
ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_new": "gelu_approximate",
    "gelu_pytorch_tanh": "gelu_approximate",
    "relu": "relu",
}
WORDS = "embeddings.word_embeddings.weight"
POSITIONS = "embeddings.position_embeddings.weight"
SEGMENTS = "embeddings.token_type_embeddings.weight"
BIASES = "encoder.relative_attention_bias.weight"


class Family(NamedTuple):
    """How a kind of encoder names its settings and its weights.

    Args:
        settings: Names of the numbers of layers and heads, of both widths and the activation.
        blocks: What the names of a layer's weights begin with.
        parts: Names of the projections of queries, keys, values and of what was read, the
            normalisation after them, both projections of the feed-forward block, and the last
            normalisation.
        first_position: Row of the first token's position.
        has_segments, has_biases: Whether it has embeddings of segments, relative positions.
    """

    settings: tuple[str, str, str, str, str]
    blocks: str
    parts: tuple[str, ...]
    first_position: int = 0
    has_segments: bool = True
    has_biases: bool = False


SETTINGS = (
    *("num_hidden_layers", "num_attention_heads", "hidden_size", "intermediate_size"),
    "hidden_act",
)
FEED_FORWARD = ("intermediate.dense", "output.dense", "output.LayerNorm")
BERT = Family(
    SETTINGS,
    "encoder.layer",
    (
        *(f"attention.self.{part}" for part in ("query", "key", "value")),
        *("attention.output.dense", "attention.output.LayerNorm"),
        *FEED_FORWARD,
    ),
)
FAMILIES = {
    "bert": BERT,
    "roberta": BERT._replace(first_position=2),
    "xlm-roberta": BERT._replace(first_position=2),
    "camembert": BERT._replace(first_position=2),
    "distilbert": Family(
        ("n_layers", "n_heads", "dim", "hidden_dim", "activation"),
        "transformer.layer",
        (
            *(f"attention.{part}_lin" for part in ("q", "k", "v", "out")),
            *("sa_layer_norm", "ffn.lin1", "ffn.lin2", "output_layer_norm"),
        ),
        has_segments=False,
    ),
    "mpnet": Family(
        SETTINGS,
        "encoder.layer",
        (*(f"attention.attn.{part}" for part in "qkvo"), "attention.LayerNorm", *FEED_FORWARD),
        first_position=2,
        has_segments=False,
        has_biases=True,
    ),
}


def bert_encoder(folder: Path, config: dict[str, Any], dtype: Any = None) -> BertEncoder:
    """Make the encoder that a folder of Hugging Face holds.

    Args:
        folder: With `model.safetensors`.
        config: What its `config.json` says.
        dtype: String or `keras.DTypePolicy`, that it computes in.

    Raises:
        ValueError: If it is of another kind, or a weight is of another shape.
    """
    family = FAMILIES[config["model_type"]]
    layers, heads, width, inner, activation = (_setting(folder, config, n) for n in family.settings)
    positions = _setting(folder, config, "max_position_embeddings")
    kind = config.get("position_embedding_type", "absolute")
    buckets = config.get("relative_attention_num_buckets", 32)
    if activation not in ACTIVATIONS or kind != "absolute" or buckets != 32 or width % heads:
        raise ValueError(
            f"{folder}: the encoder must have one of the activations {sorted(ACTIVATIONS)}, "
            "absolute positions, 32 buckets of relative ones if any, and heads that divide its "
            f"width. Received: {(activation, kind, buckets, heads, width)}"
        )
    encoder = BertEncoder(
        _setting(folder, config, "vocab_size"),
        layers,
        heads,
        width,
        inner,
        positions - family.first_position,
        activation=ACTIVATIONS[activation],
        layer_norm_epsilon=config.get("layer_norm_eps", 1e-12),
        dtype=dtype,
    )
    _load(encoder, family, TensorFiles(folder))
    return encoder


def _setting(folder, config, name):
    if name not in config:
        raise ValueError(f"{folder / 'config.json'} must have {name!r}. Received: {[*config]}")
    return config[name]


def _load(encoder, family, files):
    # Files of a whole model have a prefix, such as "bert.", those of an encoder none.
    prefixes = {n.removesuffix(WORDS) for n in files.shapes if n.endswith(WORDS)}
    prefix = prefixes.pop() if len(prefixes) == 1 else ""
    d, inner, heads = encoder.hidden_dim, encoder.intermediate_dim, encoder.num_heads
    positions = (encoder.num_positions + family.first_position, d)
    shapes = {WORDS: (encoder.vocabulary_size, d), POSITIONS: positions}
    if family.has_segments:
        segments = files.shapes.get(prefix + SEGMENTS, (1, d))
        shapes[SEGMENTS] = (segments[0], d)
    if family.has_biases:
        shapes[BIASES] = (32, heads)
    shapes |= dict.fromkeys(_norm("embeddings.LayerNorm"), (d,))
    for number in range(encoder.num_layers):
        for name, shape in _block(family, number, d, inner):
            shapes[name] = shape
    files.check({prefix + name: shape for name, shape in shapes.items()})

    def read(name):
        return assemble(shapes[name], "float32", files.parts(prefix + name))

    encoder.token_embedding.embeddings.assign(read(WORDS))
    stack = encoder.encoder
    places = read(POSITIONS)[family.first_position :]
    stack.positions.assign(places + read(SEGMENTS)[0] if family.has_segments else places)
    stack.embedding_norm.set_weights([read(name) for name in _norm("embeddings.LayerNorm")])
    if family.has_biases:
        stack.position_bias.table.assign(read(BIASES))
    for number, block in enumerate(stack.blocks):
        values = [read(name) for name, _ in _block(family, number, d, inner)]
        values = [value.T if value.ndim == 2 else value for value in values]
        # T5's attention, which ours is, does not scale scores: queries have BERT's scale.
        scale = np.float32((d // heads) ** -0.5)
        values[:2] = [value * scale for value in values[:2]]
        attention, feed_forward = block.attention, block.feed_forward
        parts = (
            *(attention.query, attention.key, attention.value, attention.output_projection),
            *(block.attention_norm, feed_forward.up, feed_forward.down, block.feed_forward_norm),
        )
        for part, pair in zip(parts, zip(values[::2], values[1::2], strict=True), strict=True):
            part.set_weights(pair)


def _norm(name):
    return f"{name}.weight", f"{name}.bias"


def _block(family, number, d, inner):
    """Names and shapes of the weights of a layer, matrices as torch has them."""
    shapes = [(d, d)] * 4 + [(d,), (inner, d), (d, inner), (d,)]
    for part, shape in zip(family.parts, shapes, strict=True):
        weight, bias = _norm(f"{family.blocks}.{number}.{part}")
        yield weight, shape
        yield bias, shape[:1]
