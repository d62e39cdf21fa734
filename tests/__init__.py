import json
import os
from pathlib import Path

from glimmer_keras.memory.quantize import dequantize
from glimmer_keras.utils.manifest import encode_manifest

# JAX compiles each operation of an eager step apart, which takes longer than compiling the step.
EAGERLY = os.environ.get("KERAS_BACKEND") != "jax"


class NumberedModel:
    """Stands for a model: saves its number; where `fails`, half of it only."""

    variables = ()

    def __init__(self, number, fails=False):
        self.number, self.fails = number, fails

    def save_to_preset(self, path):
        Path(path, "assets").mkdir(parents=True)
        Path(path, "config.json").write_text("{}")
        if self.fails:
            raise KeyboardInterrupt
        Path(path, "assets", "weights").write_text(str(self.number))


def change_manifest(file, version=1, **changes):
    """Write a manifest again with other entries, as a program that is right about its checksum."""
    content = json.loads(file.read_text())
    for name in ("format_version", "sha256"):
        del content[name]
    file.write_bytes(encode_manifest({**content, **changes}, version))


def dequantized(batch):
    """The values of a `MemoryBatch` as float32, scales applied."""
    if batch.scales is None:
        return batch.values.astype("float32")
    return dequantize(batch.values, batch.scales)
