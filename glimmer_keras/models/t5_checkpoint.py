from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from glimmer_keras.models.hugging_face_directory import (
    CONFIG,
    GENERATION,
    HUB,
    load_tokenizer,
    local_directory,
)
from glimmer_keras.models.t5_names import EMBEDDING, HEAD, is_transposed
from glimmer_keras.models.tensor_files import Part, TensorFiles, read_json
from glimmer_keras.utils.checksums import check_checksums

# With the form of the feed-forward block if the configuration does not tell.
MODEL_TYPES = {"t5": "relu", "mt5": "gated-gelu"}
SIZES = {
    "num_layers": "num_layers",
    "num_heads": "num_heads",
    "hidden_dim": "d_model",
    "intermediate_dim": "d_ff",
    "key_value_dim": "d_kv",
}
ACTIVATIONS = {"relu": "relu", "gelu": "gelu", "gelu_new": "gelu_approximate", "silu": "silu"}
POSITIONS = {"relative_attention_num_buckets": 32, "relative_attention_max_distance": 128}
START = "decoder_start_token_id"


class T5Checkpoint:
    """A T5, T5.1.1, Flan-T5 or mT5 in Hugging Face's form, its weights read one by one.

    Args:
        path: a directory, or `"hf://org/name"`.
        directory: where its files are, if that is known.

    Attributes:
        sizes: dictionary of arguments of `GlimmerBackbone`.

    Raises:
        FileNotFoundError: If it has no safetensors files.
        ValueError: If it is no such model, or not as its configuration has it.
    """

    def __init__(self, path: str, directory: Path | None = None) -> None:
        self.directory = local_directory(path) if directory is None else directory
        check_checksums(self.directory)
        self._config = config = read_json(self.directory / CONFIG)
        _check_config(self.directory, config)
        if not any(self.directory.glob("*.safetensors*")):
            source = path.removeprefix(HUB)
            raise FileNotFoundError(
                f"{path} must have safetensors files. torch's pytorch_model.bin is not read, as it "
                "may run code; convert it with `transformers`, then load OUTPUT: "
                f"T5ForConditionalGeneration.from_pretrained({source!r}).save_pretrained(OUTPUT)"
            )
        self._files = TensorFiles(self.directory)
        names = (EMBEDDING, "encoder.embed_tokens.weight", "decoder.embed_tokens.weight")
        self._embedding = next((name for name in names if name in self._files.shapes), EMBEDDING)
        self._files.check({self._embedding: self._files.shapes.get(self._embedding, ())})
        activation, gated = _feed_forward(config)
        # As in `transformers` 5: "tie_word_embeddings" tells whether T5's states are scaled before
        # the head; whether that is the embedding, the tensors tell. mT5 never scales.
        scaled = config["model_type"] == "t5" and config.get("tie_word_embeddings") is not False
        self._scaled = config.get("scale_decoder_outputs", scaled)
        self._has_head = HEAD in self._files.shapes and not (self._scaled and self._same_head())
        decoder = config.get("num_decoder_layers")
        self.sizes = {
            "vocabulary_size": self._files.shapes[self._embedding][0],
            **{ours: config[theirs] for ours, theirs in SIZES.items()},
            **{name: config.get(name, value) for name, value in POSITIONS.items()},
            "num_decoder_layers": None if decoder in (None, config["num_layers"]) else decoder,
            "activation": activation,
            "use_gated_activation": gated,
            "layer_norm_epsilon": config.get("layer_norm_epsilon", 1e-6),
            "tie_embedding_weights": self._scaled and not self._has_head,
        }

    @property
    def start_token_id(self) -> int | None:
        """With what the decoder starts, if the configuration tells."""
        file = self.directory / GENERATION
        settings = (self._config, read_json(file) if file.is_file() else {})
        return next((s[START] for s in settings if s.get(START) is not None), None)

    def tokenizer(self) -> Any:
        """A `keras_hub.models.T5Tokenizer`, or `None` without a vocabulary."""
        return load_tokenizer(self.directory, self.sizes["vocabulary_size"])

    def check(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        """Raise a `ValueError` unless it has tensors of these names and Keras's shapes."""
        self._files.check(
            {
                self._stored(name): shape[::-1] if is_transposed(name) else shape
                for name, shape in shapes.items()
            }
        )

    def parts(self, name: str) -> Iterator[Part]:
        """Read a weight in Keras's orientation some rows at a time, each part with its place."""
        scale = self.sizes["hidden_dim"] ** -0.5 if name == HEAD and self._scaled else None
        for place, part in self._files.parts(self._stored(name), is_transposed(name)):
            yield place, part if scale is None else part.astype("float32") * scale

    def _stored(self, name):
        if name == EMBEDDING or (name == HEAD and not self._has_head):
            return self._embedding
        return name

    def _same_head(self):
        parts = (self._files.parts(name) for name in (HEAD, self._embedding))
        if self._files.shapes[HEAD] != self._files.shapes[self._embedding]:
            return False
        return all(np.array_equal(one, other) for (_, one), (_, other) in zip(*parts, strict=True))


def _check_config(directory, config):
    kind = config.get("model_type")
    if kind == "glimmer":
        raise ValueError(f"{directory} holds a Glimmer: load it with `Glimmer.from_hugging_face`")
    if kind not in MODEL_TYPES:
        raise ValueError(
            f"{directory}: `model_type` must be one of {list(MODEL_TYPES)}, of which alone the "
            f"layers are those of T5. Received: model_type={kind!r}"
        )
    absent = [name for name in SIZES.values() if not isinstance(config.get(name), int)]
    if absent:
        raise ValueError(f"{directory / CONFIG} must have the integers {absent}")


def _feed_forward(config):
    """`GlimmerBackbone`'s name of the activation, and whether it is a gate."""
    name = config.get("feed_forward_proj", MODEL_TYPES[config["model_type"]])
    gate, _, activation = name.rpartition("-")
    activation = "gelu_new" if name == "gated-gelu" else activation
    activation = config.get("dense_act_fn", activation)
    if gate not in ("", "gated") or activation not in ACTIVATIONS:
        raise ValueError(
            "`feed_forward_proj` must be one of "
            f"{list(ACTIVATIONS)}, with or without 'gated-' before it. Received: "
            f"feed_forward_proj={name!r}, dense_act_fn={activation!r}"
        )
    return ACTIVATIONS[activation], config.get("is_gated_act", gate == "gated")
