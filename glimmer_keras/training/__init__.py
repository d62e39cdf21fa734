"""Training runs that survive and can be watched: the loop, its checkpoints, logs and settings.

They train whatever Keras model they are given; evaluation and serving have no place here.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from glimmer_keras.training.checkpoints import Checkpoints as Checkpoints
from glimmer_keras.training.freed_memory import keep_freed_memory as keep_freed_memory
from glimmer_keras.training.not_finite import NotFinite as NotFinite
from glimmer_keras.training.run_progress import RunProgress as RunProgress
from glimmer_keras.training.task_losses import TaskLosses as TaskLosses
from glimmer_keras.training.training_log import TrainingLog as TrainingLog
from glimmer_keras.utils.deprecated import deprecated_names

if TYPE_CHECKING:
    from glimmer_keras.training.config import DataConfig as DataConfig
    from glimmer_keras.training.config import FitConfig as FitConfig
    from glimmer_keras.training.config import ModelConfig as ModelConfig
    from glimmer_keras.training.config import RunConfig as RunConfig
    from glimmer_keras.training.config import TrainingConfig as TrainingConfig
    from glimmer_keras.training.reader_run import ReaderRun as ReaderRun
    from glimmer_keras.training.training_run import TrainingRun as TrainingRun

# What pydantic checks is loaded when it is used, and not with the package.
_HOMES = {
    **dict.fromkeys(
        ("DataConfig", "FitConfig", "ModelConfig", "RunConfig", "TrainingConfig"), "config"
    ),
    "ReaderRun": "reader_run",
    "TrainingRun": "training_run",
}
_moved = deprecated_names(
    __name__,
    {
        "Adafactor": "glimmer_keras.optimizers.Adafactor",
        "SkippingOptimizer": "glimmer_keras.optimizers.SkippingOptimizer",
        "data_shard": "glimmer_keras.distribution.data_shard",
        "layout_map": "glimmer_keras.distribution.layout_map",
        "on_devices": "glimmer_keras.distribution.on_devices",
    },
)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        return _moved(name)
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
