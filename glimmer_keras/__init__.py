"""FiD, LUMEN and GLIMMER as one Keras model: the names that programs use, and nothing else.

What defines one belongs in a folder below; nothing in the package may import from here.
"""

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from glimmer_keras import data as data
    from glimmer_keras import distribution as distribution
    from glimmer_keras import evaluation as evaluation
    from glimmer_keras import layers as layers
    from glimmer_keras import losses as losses
    from glimmer_keras import memory as memory
    from glimmer_keras import metrics as metrics
    from glimmer_keras import models as models
    from glimmer_keras import optimizers as optimizers
    from glimmer_keras import pipelines as pipelines
    from glimmer_keras import retrieval as retrieval
    from glimmer_keras import serving as serving
    from glimmer_keras import training as training
    from glimmer_keras.models import Glimmer as Glimmer
    from glimmer_keras.models import GlimmerBackbone as GlimmerBackbone
    from glimmer_keras.models import GlimmerPreprocessor as GlimmerPreprocessor
    from glimmer_keras.models import flops as flops
    from glimmer_keras.models import training_flops as training_flops
    from glimmer_keras.pipelines import Answer as Answer
    from glimmer_keras.pipelines import Reader as Reader

__version__ = "0.1.0"

_FOLDERS = (
    *("data", "distribution", "evaluation", "layers", "losses", "memory", "metrics", "models"),
    *("optimizers", "pipelines", "retrieval", "serving", "training"),
)
_REGISTERED = ("layers", "models", "optimizers")
_HOMES = {
    **dict.fromkeys(
        ("Glimmer", "GlimmerBackbone", "GlimmerPreprocessor", "flops", "training_flops"), "models"
    ),
    **dict.fromkeys(("Answer", "Reader"), "pipelines"),
}


def __getattr__(name: str) -> Any:
    if name in _FOLDERS:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _HOMES:
        value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_FOLDERS, *_HOMES})


def _is_command() -> bool:
    """Whether this process is the `glimmer` command, installed or as `python -m`."""
    program = Path(sys.argv[0]).name if sys.argv else ""
    if program == "-m":  # as long as the package of the module is imported
        return any(word.startswith(f"{__name__}.cli") for word in sys.orig_argv)
    return program in ("glimmer", "glimmer.exe", "glimmer-script.py")


# Keras finds a class by its name once its module is imported, so that programs import all such
# modules here, and the other folders as they name them. The command does so with all: its help
# needs no Keras.
if not _is_command():
    for _name in _REGISTERED:
        importlib.import_module(f"{__name__}.{_name}")
