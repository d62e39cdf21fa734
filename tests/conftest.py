import ctypes
import functools
import gc
import resource
import signal
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from glimmer_keras.utils.location import LOCK
from tests import EAGERLY

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf

    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})

# Tests interrupt processes, which ignore it where the suite was started in the background.
signal.signal(signal.SIGINT, signal.default_int_handler)


GROWTH = 400_000_000
kept = {"bytes": 0}


def resident():
    """Bytes of memory that this process holds now; 0 where Linux does not tell."""
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[1]) * resource.getpagesize() if statm.exists() else 0


def give_back():
    """Garbage goes to the system; what is left is not looked through again and again."""
    gc.collect()
    gc.freeze()
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)


def pytest_addoption(parser):
    parser.addoption("--run-slow", action="store_true", help="also run tests marked slow")


def pytest_report_header():
    return f"keras {keras.__version__} on {keras.backend.backend()}"


def pytest_collection_modifyitems(config, items):
    if config.getoption("--run-slow"):
        return
    left = [item for item in items if is_slow(item)]
    items[:] = [item for item in items if not is_slow(item)]
    config.hook.pytest_deselected(items=left)


def is_slow(item):
    once = item.get_closest_marker("once_on")
    return item.get_closest_marker("slow") or (once and once.args != (keras.backend.backend(),))


def pytest_collection_finish():
    give_back()
    kept["bytes"] = resident()


@pytest.fixture(scope="session", autouse=True)
def freed_memory_goes_back():
    """Unlike a program, the process of the tests does more than one thing."""
    from glimmer_keras.training import freed_memory

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(freed_memory, "_SETTINGS", ())
        yield


@pytest.fixture(autouse=True)
def same_numbers():
    """Each test starts from one seed and leaves Keras's numeric defaults as they were."""
    keras.utils.set_random_seed(0)
    yield
    assert keras.config.floatx() == "float32"
    assert keras.config.dtype_policy().name == "float32"


@pytest.fixture(scope="module", autouse=True)
def freed_memory():
    """What a module leaves goes with it; what others may use, when there is much of it."""
    yield
    give_back()
    if resident() > kept["bytes"] + GROWTH:
        if keras.backend.backend() == "jax":
            import jax

            jax.clear_caches()
        gc.unfreeze()
        give_back()
        kept["bytes"] = resident()


@pytest.fixture(scope="module")
def eager():
    """Models of this module that are run a few times only are not compiled on TensorFlow."""
    import glimmer_keras as gk

    compiled = functools.partialmethod(gk.Glimmer.compile, run_eagerly=EAGERLY)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gk.Glimmer, "compile", compiled)
        yield


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def make_glimmer():
    """A function from a preprocessor's lengths to a model small enough to compile in a moment.

    Settings of the backbone may be given by name.
    """
    import keras_hub

    import glimmer_keras as gk
    from glimmer_keras.models.presets import bundled_vocabulary

    tokenizer = keras_hub.models.T5Tokenizer(bundled_vocabulary("tiny_world").read_bytes())

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
        found = sorted(p for p in path.rglob("*") if p.is_file() and p.name != LOCK)
        return {str(p.relative_to(path)): p.read_bytes() for p in found}

    return read
