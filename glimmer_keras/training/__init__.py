"""What a training run needs besides Keras: checkpoints it can go on from."""

from glimmer_keras.training.checkpoints import Checkpoints as Checkpoints
