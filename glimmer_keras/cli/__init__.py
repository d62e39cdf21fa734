"""The `glimmer` command: a thin module for each of its commands. Nothing imports it."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow is there to read it
