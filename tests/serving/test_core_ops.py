import threading
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest
import tensorflow as tf

from glimmer_keras.serving.core_ops import core_ops, slice_update


@pytest.mark.parametrize(
    ("shape", "updated", "start"),
    [
        ((3, 5), (3, 1), (0, 4)),  # a sampler's tokens
        ((3, 2, 5, 4), (3, 2, 1, 4), (0, 0, 2, 0)),  # a decoder's cache
        ((1, 1, 5, 1), (1, 1, 1, 1), (0, 0, 0, 0)),
        ((3, 1), (3, 1), (0, 0)),
    ],
)
def test_slice_update_is_that_of_keras(rng, shape, updated, start):
    inputs = rng.normal(size=shape).astype("float32")
    updates = rng.normal(size=updated).astype("float32")
    expected = keras.ops.convert_to_numpy(keras.ops.slice_update(inputs, start, updates))
    found = slice_update(tf.constant(inputs), start, tf.constant(updates))
    np.testing.assert_array_equal(found, expected)


def test_other_updates_are_refused():
    with pytest.raises(ValueError, match=r"one place of one axis.*\(3, 2\) and \(3, 5\)"):
        slice_update(tf.zeros((3, 5)), (0, 0), tf.zeros((3, 2)))


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="an op of that backend")
def test_keras_still_needs_it():
    """Tried with Keras 3.15.1, whose `slice_update` is XLA's op; without that, core_ops can go."""
    update = tf.function(lambda x: keras.ops.slice_update(x, (0, 0), x[:, :1]), autograph=False)

    def ops():
        traced = update.get_concrete_function(tf.TensorSpec((3, 5)))
        return {node.type for node in traced.graph.get_operations()}

    assert "XlaDynamicUpdateSlice" in ops()
    update = tf.function(lambda x: keras.ops.slice_update(x, (0, 0), x[:, :1]), autograph=False)
    with core_ops():
        assert not any(name.startswith("Xla") for name in ops())


def test_keras_has_its_own_back():
    original = keras.ops.slice_update
    with core_ops():
        assert keras.ops.slice_update is not original
    assert keras.ops.slice_update is original
    with pytest.raises(ZeroDivisionError), core_ops():
        1 / 0  # noqa: B018
    assert keras.ops.slice_update is original


def test_threads_trace_one_after_the_other_and_others_notice_nothing():
    original = keras.ops.slice_update
    block = np.ones((2, 2), "float32")  # refused by the one, taken by the other
    arguments = np.zeros((3, 5), "float32"), (0, 0), block
    entered = threading.Event()

    def trace():
        with core_ops():
            entered.set()
            with pytest.raises(ValueError, match="one place of one axis"):
                keras.ops.slice_update(tf.zeros((3, 5)), (0, 0), tf.ones((2, 2)))

    with ThreadPoolExecutor(1) as pool:
        with core_ops():
            done = pool.submit(trace)
            assert keras.ops.convert_to_numpy(original(*arguments)).sum() == 4
            with ThreadPoolExecutor(1) as other:
                updated = other.submit(keras.ops.slice_update, *arguments).result()
            assert keras.ops.convert_to_numpy(updated).sum() == 4
            assert not entered.wait(0.05)
        done.result()
    assert keras.ops.slice_update is original
