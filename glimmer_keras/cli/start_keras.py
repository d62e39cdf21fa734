import sys

from glimmer_keras.utils.quiet import quiet


def start_keras() -> None:
    """Import Keras and TensorFlow without the lines that TensorFlow writes as it starts."""
    if "tensorflow" not in sys.modules:
        with quiet():
            import keras_hub  # noqa: F401  imports the others
