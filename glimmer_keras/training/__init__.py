"""What a training run needs besides Keras: its optimizer, and callbacks to survive and to watch."""

from glimmer_keras.models.adafactor import Adafactor as Adafactor
from glimmer_keras.training.checkpoints import Checkpoints as Checkpoints
from glimmer_keras.training.config import TrainingConfig as TrainingConfig
from glimmer_keras.training.devices import data_shard as data_shard
from glimmer_keras.training.devices import layout_map as layout_map
from glimmer_keras.training.devices import on_devices as on_devices
from glimmer_keras.training.freed_memory import keep_freed_memory as keep_freed_memory
from glimmer_keras.training.not_finite import NotFinite as NotFinite
from glimmer_keras.training.run_progress import RunProgress as RunProgress
from glimmer_keras.training.skipping_optimizer import SkippingOptimizer as SkippingOptimizer
from glimmer_keras.training.task_losses import TaskLosses as TaskLosses
from glimmer_keras.training.training_log import TrainingLog as TrainingLog
from glimmer_keras.training.training_run import TrainingRun as TrainingRun
