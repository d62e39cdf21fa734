"""Models as SavedModels that TensorFlow Serving loads."""

from glimmer_keras.serving.export import export as export
