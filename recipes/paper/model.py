"""The models of the paper's comparisons, and the T5 that all of them start from."""

import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import keras_hub

from glimmer_keras import Glimmer, GlimmerPreprocessor
from glimmer_keras.models.hugging_face_directory import is_hugging_face
from glimmer_keras.models.presets import preset_path
from glimmer_keras.models.reader_checkpoint import ReaderCheckpoint, is_reader
from glimmer_keras.models.sizes import T5_SIZES
from glimmer_keras.models.t5_checkpoint import T5Checkpoint
from recipes.paper.cells import Cell
from recipes.paper.scale import Scale


def asked_scale(
    scale: Scale,
    steps: int | None = None,
    t5: str | None = None,
    question_task: str | None = None,
    dtype: str | None = None,
) -> Scale:
    """The scale with what the command line changes; `None` changes nothing."""
    asked = {"steps": steps, "t5": t5, "question_task": question_task, "dtype": dtype}
    scale = replace(scale, **{name: value for name, value in asked.items() if value is not None})
    return replace(scale, num_layers=encoder_layers(scale) or scale.num_layers)


def encoder_layers(scale: Scale) -> int | None:
    """Of the T5 in a folder, or of the size in a preset's name."""
    folder = Path(t5_path(scale))
    if is_reader(folder):
        return ReaderCheckpoint(folder).sizes["num_layers"]
    file = folder / "config.json"
    if file.is_file():
        config = json.loads(file.read_text())
        return config.get("config", config).get("num_layers")
    sizes = [size for size in re.split("[_/]", str(scale.t5)) if size in T5_SIZES]
    return T5_SIZES[sizes[0]]["num_layers"] if sizes else None


def t5_path(scale: Scale) -> str:
    return preset_path(str(scale.t5))


def check_t5(t5: str) -> None:
    presets = keras_hub.models.T5Backbone.presets
    if not (t5 in presets or "://" in t5 or Path(t5, "config.json").is_file()):
        raise ValueError(
            f"`--t5` must be a preset folder or one of {', '.join(presets)}. Received: {t5}"
        )
    if is_hugging_face(t5):
        _checkpoint(t5)


def _checkpoint(path: str) -> T5Checkpoint | ReaderCheckpoint:
    """A T5, or a reader that is none, in Hugging Face's form."""
    return ReaderCheckpoint(Path(path)) if is_reader(Path(path)) else T5Checkpoint(path)


def t5_fingerprint(scale: Scale) -> str:
    """Of the weights where they are files here; a preset's name stands for itself."""
    for name in ("model.weights.h5", "model.safetensors", "glimmer.safetensors"):
        if (file := Path(t5_path(scale)) / name).is_file():
            return hashlib.sha256(file.read_bytes()).hexdigest()
    return t5_path(scale)


def preprocessor(scale: Scale, num_passages: int | None = None) -> GlimmerPreprocessor:
    lengths = (scale.question_length, scale.passage_length, scale.answer_length)
    path = t5_path(scale)
    if is_hugging_face(path):
        tokenizer = _checkpoint(path).tokenizer()
    else:
        tokenizer = keras_hub.models.T5Tokenizer.from_preset(path)
    return GlimmerPreprocessor(tokenizer, *lengths, num_passages)


def make_model(cell: Cell, scale: Scale, **settings: Any) -> Glimmer:
    """The cell's model as it starts."""
    arguments = {
        "preprocessor": preprocessor(scale, cell.num_passages),
        "dtype": scale.dtype,
        **cell.settings,
    }
    glimmer = Glimmer.from_t5(t5_path(scale), **arguments, **settings)
    backbone = glimmer.backbone
    if cell.start == "scorer at zero":
        backbone.passage_scorer.kernel.assign(0.0 * backbone.passage_scorer.kernel)
    elif cell.start == "reranker from scratch":
        fresh = Glimmer.from_t5(t5_path(scale), load_weights=False, **arguments).backbone
        for ours, theirs in zip(backbone.stage_a.weights, fresh.stage_a.weights, strict=True):
            ours.assign(keras.ops.copy(theirs))
    return glimmer
