"""A reader that is being pretrained: its sizes, with fresh weights, and as a phase left it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras

import glimmer_keras as gk
from glimmer_keras.models.hugging_face_directory import SETTINGS, read_settings
from glimmer_keras.models.layer_split import LayerSplit
from glimmer_keras.models.presets import preset_path

FIRST_MEMORY = 1  # layers of memory in phases of FiD, before others grow
WIDENED = ("d_kv", "d_ff")


@dataclass(frozen=True)
class Sizes:
    """Of a reader: see `GlimmerBackbone`. Layers are those of memory, before and after scores."""

    vocabulary_size: int
    hidden_dim: int = 256
    num_heads: int = 4
    intermediate_dim: int = 768
    layers: tuple[int, int, int] = (4, 2, 1)
    num_decoder_layers: int = 2
    head_dim: int = 64

    @property
    def num_layers(self) -> int:
        return sum(self.layers)

    def layers_of(self, system: str) -> int:
        """Encoder layers in a phase of a system."""
        return FIRST_MEMORY + sum(self.layers[1:]) if system == "fid" else self.num_layers

    @property
    def parameters(self) -> int:
        """Weights of the reader, but for the few of norms, position biases and the scorer."""
        d, inner = self.hidden_dim, self.num_heads * self.head_dim
        attention, feed_forward = 4 * d * inner, 3 * d * self.intermediate_dim
        encoder = self.num_layers * (attention + feed_forward)
        decoder = self.num_decoder_layers * (2 * attention + feed_forward)
        return self.vocabulary_size * d + encoder + decoder

    @property
    def live_proportion(self) -> float:
        return sum(self.layers[1:]) / self.num_layers

    @property
    def rerank_proportion(self) -> float:
        return self.layers[1] / sum(self.layers[1:])

    @classmethod
    def of_bert(cls, reader: Path, layers: tuple[int, int, int]) -> Sizes:
        """Of a reader with a BERT's encoder, as `export_to_transformers` wrote it."""
        sizes = cls.of_preset(reader)
        if sum(layers) != sizes.num_layers:
            raise ValueError(
                f"`--layers` must sum up to the {sizes.num_layers} of {reader}. Received: {layers}"
            )
        return replace(sizes, layers=layers)

    @classmethod
    def of_preset(cls, folder: Path) -> Sizes:
        """Of a GLIMMER in Hugging Face's form."""
        backbone = read_settings(folder)["backbone"]
        names = ("num_layers", "live_proportion", "rerank_proportion")
        split = LayerSplit(*(backbone[name] for name in names))
        return cls(
            *(backbone[name] for name in ("vocabulary_size", "hidden_dim", "num_heads")),
            backbone["intermediate_dim"],
            (split.memory, split.stage_a, split.stage_b),
            backbone["num_decoder_layers"],
            backbone["key_value_dim"],
        )

    def must_widen(self, t5: Path) -> bool:
        """Whether a T5 in Hugging Face's form must be widened to have these sizes.

        Raises:
            ValueError: If it cannot be: but for heads and feed-forward layers, which may be
                wider, the sizes must be the same.
        """
        if is_bert(t5):
            return False
        theirs = json.loads((t5 / "config.json").read_text())
        ours = {
            "vocab_size": self.vocabulary_size,
            "d_model": self.hidden_dim,
            "num_heads": self.num_heads,
            "d_kv": self.head_dim,
            "d_ff": self.intermediate_dim,
            "num_layers": self.num_layers,
            "num_decoder_layers": self.num_decoder_layers,
        }
        differ = {name: theirs[name] for name in ours if theirs[name] != ours[name]}
        if any(name not in WIDENED or size > ours[name] for name, size in differ.items()):
            asked = {name: ours[name] for name in differ}
            raise ValueError(f"{t5} must have the sizes of this run, {asked}. Received: {differ}")
        return bool(differ)


def new_reader(
    sizes: Sizes, num_layers: int, dtype: str | None, seed: int, dropout: float = 0.0
) -> gk.Glimmer:
    """A reader with fresh weights, and sharper position biases than T5's."""
    keras.utils.set_random_seed(seed)
    return gk.Glimmer.from_size(
        "tiny",
        "fid",
        vocabulary_size=sizes.vocabulary_size,
        num_layers=num_layers,
        num_heads=sizes.num_heads,
        key_value_dim=sizes.head_dim,
        hidden_dim=sizes.hidden_dim,
        intermediate_dim=sizes.intermediate_dim,
        num_decoder_layers=sizes.num_decoder_layers,
        dropout=dropout,
        tie_embedding_weights=True,
        position_bias_stddev=2.0,
        dtype=dtype,
    )


def reader_of(
    folder: Path, system: str, sizes: Sizes, dtype: str | None, **settings: Any
) -> gk.Glimmer:
    """A phase's reader, of what the phase before it left; `settings` are more of `from_t5`."""
    settings = {"dropout": 0.0, "dtype": dtype} | settings
    if system != "fid":
        settings["live_proportion"] = sizes.live_proportion
    reader = gk.Glimmer.from_t5(str(folder), system, **settings)
    if system != "fid":
        freeze_position_biases(reader)
    return reader


def is_bert(folder: Path) -> bool:
    """Whether a folder is of a reader with a BERT's encoder."""
    config = folder / "config.json"
    return config.is_file() and json.loads(config.read_text())["model_type"] == "glimmer"


def freeze_position_biases(reader: gk.Glimmer) -> None:
    """Keep those of memory and of live layers as one, for a T5 has one for all layers."""
    reader.backbone.memory_encoder.position_bias.trainable = False
    reader.backbone.live_position_bias.trainable = False


@dataclass(frozen=True)
class Pretrained:
    """What a run has come to: the T5 of a phase, its system, and the sizes of the whole reader."""

    t5: Path
    system: str
    sizes: Sizes

    @classmethod
    def of(cls, run: Path, number: int | None = None) -> Pretrained:
        """Find what a phase of a run left, by its number from 1; else the last that is done.

        In place of a run it may be a bundled preset or a folder as those.
        """
        folder = Path(preset_path(str(run)))
        if (folder / SETTINGS).is_file():
            return cls(folder, "lumen", Sizes.of_preset(folder))
        file = run / "settings.json"
        if not file.is_file():
            raise FileNotFoundError(f"{run} must be the output of recipes.pretraining: no {file}")
        kept = json.loads(file.read_text())
        numbers = [number] if number else range(len(kept["plan"]), 0, -1)
        for number in numbers:
            t5 = run / f"phase-{number}" / "t5"
            if t5.is_dir():
                return cls(t5, kept["plan"][number - 1]["system"], Sizes(**kept["sizes"]))
        raise FileNotFoundError(
            f"{run} must have a phase that is done. Received: none of {[*numbers]}"
        )

    @property
    def fingerprint(self) -> str:
        """SHA-256 of its weights, in hexadecimal."""
        [file] = self.t5.glob("*.safetensors")
        return hashlib.sha256(file.read_bytes()).hexdigest()

    def load(self, dtype: str | None, **settings: Any) -> gk.Glimmer:
        return reader_of(self.t5, self.system, self.sizes, dtype, **settings)
