"""Programs that call the package, and what they share: each is run from the repository's root.

What others may import is library and belongs into `glimmer_keras`; nothing imports a recipe but
recipes and their tests.
"""

import os

# TensorFlow's start-up lines are not what a recipe has to say.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
