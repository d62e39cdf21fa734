import numpy as np

from glimmer_keras.memory import MemoryBatch


def test_mask_and_float32_of_int8():
    values = np.array([[[[2, -4], [1, 0]], [[0, 0], [0, 0]]]], "int8")
    scales = np.array([[[0.5, 2.0], [0.0, 0.0]]], "float32")
    batch = MemoryBatch(values, scales, np.array([[2, 0]], "int32"))
    assert batch.mask.tolist() == [[[True, True], [False, False]]]
    expected = [[[[1.0, -2.0], [2.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]]]]
    assert batch.to_float32().tolist() == expected
    assert batch.to_float32().dtype == np.float32


def test_without_scales():
    batch = MemoryBatch(np.ones((1, 3, 2), "float16"), None, np.array([1], "int32"))
    assert batch.mask.tolist() == [[True, False, False]]
    assert batch.to_float32().dtype == np.float32
