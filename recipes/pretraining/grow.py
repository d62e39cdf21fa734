"""A deeper T5 of a shallow one: copies of its first encoder layer that add little at first."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

from safetensors.numpy import load_file, save_file

from glimmer_keras.utils.files import new_folder

LAYER = re.compile(r"encoder\.block\.(\d+)\.(.*)")
OUTPUTS = ("SelfAttention.o.weight", "DenseReluDense.wo.weight")
TABLE = "relative_attention_bias.weight"
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
    with new_folder(target) as work:
        save_file(grown, work / "model.safetensors", {"format": "np"})
        (work / "config.json").write_text(json.dumps(config, indent=1))
        shutil.copy(folder / "spiece.model", work)
