import json
import os
import shutil
from pathlib import Path
from typing import Any

import keras
import numpy as np

from glimmer_keras.layers.feed_forward import serialize_activation
from glimmer_keras.layers.normal import loaded_next
from glimmer_keras.models.glimmer_backbone import GlimmerBackbone
from glimmer_keras.models.hugging_face_directory import (
    CONFIG,
    GLIMMER,
    SETTINGS,
    TOKENIZER,
    TOKENIZER_JSON,
    VERSION,
    load_tokenizer,
    local_directory,
    read_settings,
)
from glimmer_keras.models.presets import check_preset_arguments
from glimmer_keras.models.t5_checkpoint import ACTIVATIONS, POSITIONS, SIZES
from glimmer_keras.models.t5_names import is_transposed, named_weights
from glimmer_keras.models.t5_weights import why_no_t5
from glimmer_keras.models.tensor_files import TensorFiles, free, load, read_json, write_tensors
from glimmer_keras.models.tokenizer_json import END, PAD, UNKNOWN, to_tokenizer_json
from glimmer_keras.utils.checksums import check_checksums, write_checksums
from glimmer_keras.utils.files import new_folder
from glimmer_keras.utils.manifest import write_manifest

TOKENIZER_CONFIG = "tokenizer_config.json"
PREPROCESSOR = (
    *("question_length", "passage_length", "answer_length", "num_passages"),
    "start_token_id",
)


def export_to_transformers(glimmer: Any, path: str | os.PathLike[str]) -> None:
    """Write the model in Hugging Face's form: safetensors files, settings, the vocabulary.

    If its parts make one T5 (as they do unless a reranker or question encoder is apart, the
    position biases of memory and live layers were trained apart, or cross-attention is thinned),
    `transformers.T5ForConditionalGeneration` loads that T5 from `model.safetensors` and passes
    over the scorer. Else the tensors are in `glimmer.safetensors` and `model_type` is
    `"glimmer"`: `transformers` refuses it. `Glimmer.from_hugging_face` loads both, with all parts.

    Args:
        path: A new directory, in which all is on the disk before it gets its name.

    Raises:
        FileExistsError: If `path` exists.
        ValueError: If the feed-forward blocks have an activation that T5 has no name for, or the
            weights are quantized: Hugging Face's form has floats.
    """
    backbone = glimmer.backbone
    if (mode := backbone.weights_mode) is not None:
        raise ValueError(
            "The weights must not be quantized here; `save_to_preset` keeps those that are. "
            f"Received: weights in {mode}"
        )
    is_t5 = why_no_t5(backbone) is None
    config = (
        _t5_config(backbone, glimmer.preprocessor)
        if is_t5
        else {"model_type": GLIMMER, "architectures": ["Glimmer"]}
    )
    settings: dict[str, Any] = {
        "backbone": backbone.get_config(),
        "calibration": glimmer.calibration,
    }
    weights = dict(named_weights(backbone, apart=True))
    sizes = {
        # With LoRA on it is the sum, a tensor of the backend.
        name: np.dtype(keras.backend.standardize_dtype(weight.dtype)).itemsize
        * int(np.prod(weight.shape))
        for name, weight in weights.items()
    }

    def value(name):
        values = keras.ops.convert_to_numpy(weights[name])
        return np.ascontiguousarray(values.T if is_transposed(name) else values)

    with new_folder(Path(path).absolute(), what="`path`") as new:
        write_tensors(new, "model" if is_t5 else GLIMMER, sizes, value)
        if glimmer.preprocessor is not None:
            settings["preprocessor"] = {
                name: getattr(glimmer.preprocessor, name) for name in PREPROCESSOR
            }
            _write_tokenizer(new, glimmer.preprocessor.tokenizer.proto)
        (new / CONFIG).write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
        write_manifest(new, settings, VERSION, SETTINGS)
        for tensors in new.glob("*.safetensors"):
            # The library writes what its owner alone may read.
            shutil.copymode(new / CONFIG, tensors)
        write_checksums(new)


def from_hugging_face(
    cls: Any, directory: str | os.PathLike[str], load_weights: bool = True, **kwargs: Any
) -> Any:
    """Load a model that `export_to_transformers` wrote, on this backend or another.

    Args:
        directory: A path, or `"hf://org/name"`. `from_t5` makes a model of a plain T5.
        load_weights: `False` takes the settings and fresh weights.
        **kwargs: `dtype`, `name`, `preprocessor` or `trainable`. Each weight is read alone and
            cast to the variables of `dtype`, which is the written model's if not given.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If a file is not as it was written, or the directory holds another model, or
            tensors that are not its settings'.
    """
    address = os.fspath(directory)
    check_preset_arguments(address, kwargs, ("dtype", "name", "preprocessor", "trainable"))
    directory = local_directory(address)
    check_checksums(directory)
    if not (directory / SETTINGS).is_file():
        raise FileNotFoundError(
            f"{address} must have a {SETTINGS}, as `export_to_transformers` writes it. Of a T5 "
            "`Glimmer.from_t5` makes a model"
        )
    settings = read_settings(directory)
    is_t5 = read_json(directory / CONFIG).get("model_type") != GLIMMER
    files = TensorFiles(directory, "model" if is_t5 else GLIMMER)
    given = "preprocessor" in kwargs
    preprocessor = kwargs.pop("preprocessor", None)
    with loaded_next(load_weights):
        backbone = GlimmerBackbone.from_config({**settings["backbone"], **kwargs})
    weights = dict(named_weights(backbone, apart=True))
    files.check(
        {
            name: tuple(weight.shape)[:: -1 if is_transposed(name) else 1]
            for name, weight in weights.items()
        }
    )
    if load_weights:
        free(weights.values())
        for name, weight in weights.items():
            load(weight, files.parts(name, is_transposed(name)))
    if not given and "preprocessor" in settings:
        tokenizer = load_tokenizer(directory, backbone.vocabulary_size)
        if tokenizer is not None:
            preprocessor = cls.preprocessor_cls(tokenizer, **settings["preprocessor"])
    return cls(backbone, preprocessor, settings.get("calibration", (1.0, 0.0)))


def _write_tokenizer(directory, proto):
    """Write a vocabulary for this package, and for `transformers.AutoTokenizer`."""
    (directory / TOKENIZER).write_bytes(proto)
    settings = {
        "tokenizer_class": "T5Tokenizer",
        "extra_ids": 0,
        **{"eos_token": END, "pad_token": PAD, "unk_token": UNKNOWN},
    }
    (directory / TOKENIZER_JSON).write_text(to_tokenizer_json(proto), encoding="utf-8")
    (directory / TOKENIZER_CONFIG).write_text(json.dumps(settings, indent=1) + "\n")


def _t5_config(backbone, preprocessor):
    """The `config.json` of a T5."""
    names = {ours: theirs for theirs, ours in ACTIVATIONS.items()}
    activation = serialize_activation(backbone.activation)
    if activation not in names:
        raise ValueError(
            f"`activation` must be one of {list(names)}, which T5 has names for. "
            f"Received: activation={activation!r}"
        )
    act, gate = names[activation], "gated-" if backbone.use_gated_activation else ""
    # Of a gate, "gelu" is the name of the tanh approximation.
    proj = gate + ("gelu" if gate and act == "gelu_new" else act)
    return {
        "model_type": "t5",
        "architectures": ["T5ForConditionalGeneration"],
        "vocab_size": backbone.vocabulary_size,
        **{theirs: getattr(backbone, ours) for ours, theirs in SIZES.items()},
        "num_decoder_layers": backbone.decoder.num_layers,
        **{name: getattr(backbone, name) for name in POSITIONS},
        "feed_forward_proj": proj,
        "dense_act_fn": act,
        "is_gated_act": backbone.use_gated_activation,
        "layer_norm_epsilon": backbone.layer_norm_epsilon,
        "dropout_rate": backbone.dropout,
        "tie_word_embeddings": backbone.tie_embedding_weights,
        "is_encoder_decoder": True,
        "pad_token_id": 0,
        "eos_token_id": 1,
        "decoder_start_token_id": preprocessor.start_token_id if preprocessor else 0,
        "torch_dtype": backbone.dtype_policy.variable_dtype,
    }
