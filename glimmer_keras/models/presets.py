"""The presets that come with the package, by name."""

from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent.parent / "presets"
# As KerasHub lists its own: a name, and of it `metadata`.
PRESETS: dict[str, dict[str, Any]] = {
    "tiny_world": {
        "metadata": {
            "description": (
                "T5.1.1 of 4 layers and width 64 that learned to read, copy and rank passages of "
                "small invented worlds; for trials and tests"
            ),
            "params": 458240,
            "path": "t5",
        },
    },
}
# As which its pretraining ended: arguments of `GlimmerBackbone` and `GlimmerPreprocessor`.
BACKBONES: dict[str, dict[str, Any]] = {
    "tiny_world": {
        "live_proportion": 3 / 4,
        "rerank_proportion": 2 / 3,
        "num_selected": 2,
        "dropout": 0.0,
    },
}
PREPROCESSORS: dict[str, dict[str, int]] = {
    "tiny_world": {"question_length": 16, "passage_length": 64, "answer_length": 8},
}


def preset_path(preset: str) -> str:
    """The folder of a bundled preset; any other path, address or name as it is.

    A folder of that name in the working directory is not looked for, as with KerasHub's names.
    """
    return str(FOLDER / preset) if preset in PRESETS else preset
