import numpy as np

from glimmer_keras.memory import MemoryBatch


def test_the_mask_is_true_at_tokens():
    values = np.zeros((1, 2, 3, 2), "int8")
    batch = MemoryBatch(values, np.zeros((1, 2, 3), "float32"), np.array([[2, 0]], "int32"))
    assert batch.mask.tolist() == [[[True, True, False], [False, False, False]]]
