"""Training runs that survive and can be watched: the loop, its checkpoints, logs and settings.

They train whatever Keras model they are given; evaluation and serving have no place here.
"""

from glimmer_keras.training.checkpoints import Checkpoints as Checkpoints
from glimmer_keras.training.config import DataConfig as DataConfig
from glimmer_keras.training.config import FitConfig as FitConfig
from glimmer_keras.training.config import ModelConfig as ModelConfig
from glimmer_keras.training.config import RunConfig as RunConfig
from glimmer_keras.training.config import TrainingConfig as TrainingConfig
from glimmer_keras.training.freed_memory import keep_freed_memory as keep_freed_memory
from glimmer_keras.training.not_finite import NotFinite as NotFinite
from glimmer_keras.training.reader_run import ReaderRun as ReaderRun
from glimmer_keras.training.run_progress import RunProgress as RunProgress
from glimmer_keras.training.task_losses import TaskLosses as TaskLosses
from glimmer_keras.training.training_log import TrainingLog as TrainingLog
from glimmer_keras.training.training_run import TrainingRun as TrainingRun
from glimmer_keras.utils.deprecated import deprecated_names

__getattr__ = deprecated_names(
    __name__,
    {
        "Adafactor": "glimmer_keras.optimizers.Adafactor",
        "SkippingOptimizer": "glimmer_keras.optimizers.SkippingOptimizer",
        "data_shard": "glimmer_keras.distribution.data_shard",
        "layout_map": "glimmer_keras.distribution.layout_map",
        "on_devices": "glimmer_keras.distribution.on_devices",
    },
)
