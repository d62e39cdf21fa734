import hashlib
import json
import tempfile
from pathlib import Path
from typing import Any

import keras

from glimmer_keras.layers.feed_forward import serialize_activation


def memory_fingerprint(glimmer):
    """What stored memory depends on, to be kept with it and compared before it is used.

    The same on every backend for the same weights and settings, whatever the rest of the model.

    Args:
        glimmer: a `Glimmer` with a preprocessor.

    Returns:
        A dictionary of strings: `memory_encoder`, a SHA-256 of its settings, its weights and
        the token embedding; `tokenizer`, a SHA-256 of the vocabulary; `passage_length` in tokens.

    Raises:
        ValueError: if there is no preprocessor.
    """
    preprocessor = check_preprocessor(glimmer)
    encoder = glimmer.backbone.memory_encoder
    settings = {
        "num_layers": encoder.num_layers,
        "num_heads": encoder.num_heads,
        "head_dim": encoder.head_dim,
        "hidden_dim": encoder.hidden_dim,
        "intermediate_dim": encoder.intermediate_dim,
        "activation": serialize_activation(encoder.activation),
        "gated": encoder.gated,
        "epsilon": encoder.epsilon,
    }
    buckets = encoder.num_buckets, encoder.max_distance
    if buckets != (32, 128):  # T5's, of which stores there are say nothing
        settings["buckets"] = buckets
    if encoder.block != "t5":
        settings |= {"block": encoder.block, "num_positions": encoder.num_positions}
    if encoder.carried_dim:
        settings["carried_dim"] = encoder.carried_dim
    embedding = glimmer.backbone.token_embedding
    if embedding.quantization_mode is None:
        weights = [embedding.embeddings]
    else:
        settings["quantization"] = embedding.quantization_mode
        weights = merged_weights(embedding)
    return {
        "memory_encoder": _digest(settings, [*weights, *merged_weights(encoder)]),
        "tokenizer": tokenizer_fingerprint(preprocessor.tokenizer),
        "passage_length": str(preprocessor.passage_length),
    }


def embedder_fingerprint(embedder):
    """SHA-256 of all that the vectors of an embedder depend on, in hexadecimal.

    That is its settings, prompts among them, weights, vocabulary and sequence length; the type
    that it computes in is left out.
    """
    preprocessor = embedder.preprocessor
    settings: dict[str, Any] = {
        "embedder": [type(embedder).__name__, _settings(embedder)],
        "backbone": [type(embedder.backbone).__name__, _settings(embedder.backbone)],
        "preprocessor": [type(preprocessor).__name__, _settings(preprocessor)],
    }
    with tempfile.TemporaryDirectory() as folder:
        preprocessor.tokenizer.save_assets(folder)
        settings["vocabulary"] = {
            file.name: hashlib.sha256(file.read_bytes()).hexdigest()
            for file in sorted(Path(folder).iterdir())
        }
    return _digest(settings, merged_weights(embedder))


def merged_weights(layer):
    """The weights of a layer and those in it, with what LoRA adds to them, as a preset has them."""
    merged, added = {}, set()
    for part in layer._flatten_layers():
        if getattr(part, "lora_enabled", False):
            name = "embeddings" if hasattr(part, "embeddings") else "kernel"
            merged[id(getattr(part, f"_{name}"))] = getattr(part, name)
            added |= {id(getattr(part, f"lora_{name}_{factor}")) for factor in "ab"}
    return [merged.get(id(weight), weight) for weight in layer.weights if id(weight) not in added]


def _settings(layer):
    """What `get_config` gives, but for names and for what has settings of its own."""
    config = layer.get_config()
    return {
        name: value
        for name, value in config.items()
        if name not in ("name", "dtype", "trainable") and not isinstance(value, dict)
    }


def _digest(settings, weights):
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    # In the order in which the layers were made: paths are not the same in every process.
    for weight in weights:
        values = keras.ops.convert_to_numpy(weight).astype("<f4", order="C", copy=False)
        digest.update(json.dumps(values.shape).encode())
        digest.update(values.data)
    return digest.hexdigest()


def tokenizer_fingerprint(tokenizer):
    """SHA-256 of a SentencePiece vocabulary, in hexadecimal."""
    return hashlib.sha256(tokenizer.proto).hexdigest()


def check_preprocessor(glimmer):
    """The preprocessor of a model that must have one."""
    if glimmer.preprocessor is None:
        raise ValueError("`glimmer` must have a preprocessor. Received: preprocessor=None")
    return glimmer.preprocessor
