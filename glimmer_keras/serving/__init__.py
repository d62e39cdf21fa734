"""Exports as SavedModels that TensorFlow Serving loads, clients of them, and a server to try one.

No training or evaluation is known here, and everything reads the export alone but what writes it.
"""

from glimmer_keras.serving.client import Client as Client
from glimmer_keras.serving.export import export as export
