"""The presets that come with the package, by name; each is a folder of `export_to_transformers`."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from glimmer_keras.models.hugging_face_directory import TOKENIZER

FOLDER = Path(__file__).parent.parent / "presets"
# As KerasHub lists its own: a name, and of it `metadata`.
PRESETS: dict[str, dict[str, Any]] = {
    "tiny_world": {
        "metadata": {
            "description": (
                "T5.1.1 of 4 layers and width 64 that learned to read, copy and rank passages of "
                "small invented worlds; for tests"
            ),
            "params": 458496,
            "path": "glimmer",
        },
    },
    "wikipedia_small": {
        "metadata": {
            "description": (
                "GLIMMER of 7 encoder and 2 decoder layers and width 256 that learned to read "
                "English in five hours on two cores, from Wikipedia and questions of people"
            ),
            "params": 10295681,
            "path": "glimmer",
        },
    },
}


def preset_path(preset: str) -> str:
    """The folder of a bundled preset; any other path, address or name as it is.

    A folder of that name in the working directory is not looked for, as with KerasHub's names.
    """
    return str(FOLDER / preset) if preset in PRESETS else preset


def bundled_vocabulary(preset: str) -> Path:
    """The SentencePiece file of a bundled preset."""
    return FOLDER / preset / TOKENIZER


def check_preset_arguments(
    preset: str, arguments: Mapping[str, Any], allowed: tuple[str, ...]
) -> None:
    """Refuse what would make another model than the one whose weights a preset holds."""
    refused = sorted(set(arguments) - set(allowed))
    if refused:
        raise ValueError(
            "`from_preset` takes sizes and settings from the preset, and of arguments only "
            f"{allowed}. Received: {refused}"
        )
    if arguments.get("dtype") is None:
        return
    if (mode := quantization(preset)) is not None:
        raise ValueError(
            f"`dtype` must be left out, as the weights of {preset} are in {mode}. "
            f"Received: dtype={arguments['dtype']!r}"
        )


def quantization(preset: str) -> str | None:
    """How the weights of a preset are quantized; `None` if not, or if it is no folder here."""
    file = Path(preset_path(preset)) / "config.json"
    if not file.is_file():
        return None
    dtype = json.loads(file.read_text(encoding="utf-8")).get("config", {}).get("dtype")
    policies = dtype["config"].get("policy_map", {}) if isinstance(dtype, dict) else {}
    modes = {policy["config"].get("mode") for policy in policies.values()}
    return min(modes - {None}, default=None)  # embeddings are int8 beside int4
