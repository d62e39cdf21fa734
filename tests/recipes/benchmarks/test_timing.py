import keras
import numpy as np

from recipes.benchmarks.timing import fastest, interleaved, jit_choices, percentiles, ratio


def test_the_fastest_of_all_ways_to_compile():
    dense = keras.layers.Dense(2, use_bias=False, kernel_initializer="ones")
    dense.build((None, 3))
    call, result, choice = fastest(dense, dense, (np.ones((1, 3), "float32"),), "best")
    assert choice in jit_choices("best")
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(result), [[3.0, 3.0]])
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(call()), [[3.0, 3.0]])


def test_rounds_are_interleaved():
    said = []
    calls = {name: lambda name=name: said.append(name) for name in "ab"}
    times = interleaved(calls, 2, lambda: said.append("-"))
    assert "".join(said) == "-ab-ab-"
    assert [len(values) for values in times.values()] == [2, 2]


def test_ratio():
    found = ratio([4.0, 6.0, 9.0], [2.0, 2.0, 3.0], {"work": 1.5})
    assert found == {
        "measured": 3.0,
        "lowest": 2.0,
        "highest": 3.0,
        "by_work": 1.5,
        "over_work": 2.0,
    }


def test_percentiles():
    assert percentiles([1.0, 2.0, 3.0]) == {
        "min": 1.0,
        "median": 2.0,
        "max": 3.0,
        "p50": 2.0,
        "p95": 2.9,
    }
