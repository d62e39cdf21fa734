"""The environment of all tests, set before anything reads it, and what several of them use."""

import atexit
import json
import os
import shutil
import tempfile
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # it keeps a gigabyte of kernels
# Programs here run once or twice: compiling them takes the time, not running them.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
os.environ.setdefault("JAX_TRACEBACK_IN_LOCATIONS_LIMIT", "0")
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_use_fusion_emitters=false")  # half of compiling
# A program that another test or another process of this run has compiled is read, not compiled.
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    os.environ["JAX_COMPILATION_CACHE_DIR"] = tempfile.mkdtemp(prefix="compiled-")
    atexit.register(shutil.rmtree, os.environ["JAX_COMPILATION_CACHE_DIR"], ignore_errors=True)
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
# On a GPU: no TF32 (tests compare to 1e-4), and memory is shared between JAX and TensorFlow.
os.environ.setdefault("NVIDIA_TF32_OVERRIDE", "0")
os.environ.setdefault("JAX_DEFAULT_MATMUL_PRECISION", "highest")
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")

# JAX compiles each operation of an eager step apart, which takes longer than compiling the step.
EAGERLY = os.environ["KERAS_BACKEND"] != "jax"


def read(model, x):
    """What a model gives for a batch, as one program on JAX."""
    if EAGERLY:
        return model(x)
    import jax

    variables = (model.trainable_variables, model.non_trainable_variables)
    values = [[variable.value for variable in kind] for kind in variables]
    return jax.jit(model.stateless_call)(*values, x)[0]


def compiled(function):
    """A function of arrays as one program on JAX, which keeps the weights that it has met."""
    if EAGERLY:
        return function
    import jax

    return jax.jit(function)


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
    from glimmer_keras.utils.manifest import encode_manifest

    content = json.loads(file.read_text())
    for name in ("format_version", "sha256"):
        del content[name]
    file.write_bytes(encode_manifest({**content, **changes}, version))


def dequantized(batch):
    """The values of a `MemoryBatch` as float32, scales applied."""
    from glimmer_keras.memory.quantize import dequantize

    if batch.scales is None:
        return batch.values.astype("float32")
    return dequantize(batch.values, batch.scales)


def checkpoint_arrays(path):
    """The state in a checkpoint of `Checkpoints`, as whole NumPy arrays in its order."""
    import jax
    import numpy as np
    import orbax.checkpoint as orbax

    with orbax.PyTreeCheckpointer() as checkpointer:
        tree = checkpointer.metadata(path / "state").item_metadata.tree
        wanted = jax.tree.map(lambda _: orbax.RestoreArgs(restore_type=np.ndarray), tree)
        return checkpointer.restore(path / "state", restore_args=wanted)
