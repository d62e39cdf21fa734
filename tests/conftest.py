import atexit
import ctypes
import gc
import os
import shutil
import signal
import sys
import tempfile

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Programs here run once or twice: compiling them takes the time, not running them.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
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

import keras
import numpy as np
import pytest

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf

    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})

# Tests interrupt processes, which ignore it where the suite was started in the background.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser):
    parser.addoption("--run-slow", action="store_true", help="also run tests marked slow")


def pytest_report_header():
    return f"keras {keras.__version__} on {keras.backend.backend()}"


def pytest_collection_modifyitems(config, items):
    if config.getoption("--run-slow"):
        return
    slow = [item for item in items if item.get_closest_marker("slow")]
    items[:] = [item for item in items if not item.get_closest_marker("slow")]
    config.hook.pytest_deselected(items=slow)


@pytest.fixture(autouse=True)
def same_numbers():
    """Each test starts from one seed and leaves Keras's numeric defaults as they were."""
    keras.utils.set_random_seed(0)
    yield
    assert keras.config.floatx() == "float32"
    assert keras.config.dtype_policy().name == "float32"


@pytest.fixture(scope="module", autouse=True)
def freed_memory():
    """Compiled programs and what they took go with the module that needed them."""
    yield
    gc.collect()
    if keras.backend.backend() == "jax":
        import jax

        jax.clear_caches()
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def make_glimmer():
    """A function from a preprocessor's lengths to a model small enough to compile in a moment.

    Settings of the backbone may be given by name.
    """
    from pathlib import Path

    import keras_hub

    import glimmer_keras as gk

    vocabulary = Path(gk.__file__).parent / "presets/tiny_world/assets/tokenizer/vocabulary.spm"
    tokenizer = keras_hub.models.T5Tokenizer(str(vocabulary))

    small = {
        "vocabulary_size": tokenizer.vocabulary_size(),
        "num_layers": 3,
        "num_decoder_layers": 1,
        "num_heads": 2,
        "hidden_dim": 8,
        "intermediate_dim": 8,
        "key_value_dim": 4,
        "live_proportion": 2 / 3,
        "rerank_proportion": 1 / 2,
        "num_selected": 2,
    }

    def make(*lengths, **settings):
        keras.utils.set_random_seed(0)
        preprocessor = gk.GlimmerPreprocessor(tokenizer, *lengths)
        return gk.Glimmer.from_size("tiny", preprocessor=preprocessor, **small | settings)

    return make


@pytest.fixture
def files():
    """Gives the bytes of all files below a folder, by name."""

    def read(path):
        found = sorted(p for p in path.rglob("*") if p.is_file())
        return {str(p.relative_to(path)): p.read_bytes() for p in found}

    return read
