"""Models as SavedModels that TensorFlow Serving loads, and a client of it."""

from glimmer_keras.serving.client import Client as Client
from glimmer_keras.serving.export import export as export
