"""A larger T5 of a smaller one: more encoder layers, or wider heads and feed-forward layers."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

from glimmer_keras.utils.files import new_folder

LAYER = re.compile(r"encoder\.block\.(\d+)\.(.*)")
OUTPUTS = ("SelfAttention.o.weight", "DenseReluDense.wo.weight")
TABLE = "relative_attention_bias.weight"
# Weights of the units inside a layer: those that make them get new rows, `o` and `wo` new columns.
INNER = re.compile(r".*(Attention|DenseReluDense)\.(q|k|v|o|wi_0|wi_1|wo)\.weight")
# Of what a copy's attention and feed-forward add to the states.
SHARE = 0.2


def grow(folder: Path, target: Path, copies: int) -> None:
    """Write a T5 with more encoder layers behind the first, in Hugging Face's form.

    Args:
        folder: The T5, as `Glimmer.export_to_transformers` writes it.
        target: Folder to be made.
        copies: Layers more.
    """
    grown = {}
    for name, tensor in load_file(folder / "model.safetensors").items():
        match = LAYER.fullmatch(name)
        if match is None:
            grown[name] = tensor
            continue
        number, rest = int(match[1]), match[2]
        grown[f"encoder.block.{number + copies * (number > 0)}.{rest}"] = tensor
        if number == 0 and not rest.endswith(TABLE):
            share = SHARE if rest.endswith(OUTPUTS) else 1.0
            for copy in range(1, copies + 1):
                grown[f"encoder.block.{copy}.{rest}"] = (share * tensor).astype(tensor.dtype)
    config = json.loads((folder / "config.json").read_text())
    config["num_layers"] += copies
    _write(target, grown, config, folder)


def widen(folder: Path, target: Path, head_dim: int, intermediate_dim: int, seed: int) -> None:
    """Write a T5 with wider heads and feed-forward layers, which computes what it did.

    New units are random in what they read, and what weighs them is zero: in attention keys and
    outputs, in a feed-forward layer outputs. These learn first.

    Args:
        folder: The T5, in Hugging Face's form.
        target: Folder to be made.
        head_dim: Width of a head, at least its.
        intermediate_dim: Of a feed-forward layer, at least its.
        seed: Of what is random.
    """
    config = json.loads((folder / "config.json").read_text())
    heads, width = config["num_heads"], config["d_model"]
    rng = np.random.default_rng(seed)
    weights = load_file(folder / "model.safetensors")
    for name in sorted(weights):
        if not (match := INNER.fullmatch(name)):
            continue
        kind = match[2]
        axis = int(kind in ("o", "wo"))
        attends = match[1] == "Attention"
        parts = np.split(weights[name], heads if attends else 1, axis)
        stddev = {"q": (width * head_dim) ** -0.5, "k": 0.0}.get(kind, width**-0.5) * (1 - axis)
        shape = list(parts[0].shape)
        shape[axis] = (head_dim if attends else intermediate_dim) - shape[axis]
        wider = [np.concatenate([p, rng.normal(0.0, stddev, shape)], axis) for p in parts]
        weights[name] = np.concatenate(wider, axis).astype(weights[name].dtype)
    _write(target, weights, config | {"d_kv": head_dim, "d_ff": intermediate_dim}, folder)


def _write(
    target: Path, weights: dict[str, np.ndarray], config: dict[str, Any], source: Path
) -> None:
    with new_folder(target) as work:
        save_file(weights, work / "model.safetensors", {"format": "np"})
        (work / "config.json").write_text(json.dumps(config, indent=1))
        shutil.copy(source / "spiece.model", work)
