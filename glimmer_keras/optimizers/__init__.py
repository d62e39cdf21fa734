"""Optimizers that T5 and the paper train with, where Keras's own are not enough.

They know Keras alone; what is trained by them has no place here.
"""

from glimmer_keras.optimizers.adafactor import Adafactor as Adafactor
from glimmer_keras.optimizers.skipping_optimizer import SkippingOptimizer as SkippingOptimizer
