"""What a training run needs besides Keras: its optimizer, and checkpoints to go on from."""

from glimmer_keras.models.adafactor import Adafactor as Adafactor
from glimmer_keras.training.checkpoints import Checkpoints as Checkpoints
from glimmer_keras.training.devices import layout_map as layout_map
from glimmer_keras.training.devices import on_devices as on_devices
from glimmer_keras.training.freed_memory import keep_freed_memory as keep_freed_memory
