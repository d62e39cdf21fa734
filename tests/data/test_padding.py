import numpy as np
import pytest

from glimmer_keras.data import pad_tokens, padding_mask, shift_right


def test_pad_tokens_with_end():
    ids, lengths, truncated = pad_tokens([[5, 6], [], [7, 8, 9, 10], [7, 8, 9]], 4, 1, 0)
    np.testing.assert_array_equal(ids, [[5, 6, 1, 0], [1, 0, 0, 0], [7, 8, 9, 1], [7, 8, 9, 1]])
    np.testing.assert_array_equal(lengths, [3, 1, 4, 4])
    assert truncated == 1
    assert ids.dtype == lengths.dtype == np.int32


def test_pad_tokens_without_end():
    ids, lengths, truncated = pad_tokens([[5, 6, 7], [5, 6], []], 2, None, 9)
    np.testing.assert_array_equal(ids, [[5, 6], [5, 6], [9, 9]])
    np.testing.assert_array_equal(lengths, [2, 2, 0])
    assert truncated == 1


def test_pad_tokens_of_nothing():
    ids, lengths, truncated = pad_tokens([], 3, 1, 0)
    assert (ids.shape, lengths.shape, truncated) == ((0, 3), (0,), 0)


def test_length():
    with pytest.raises(ValueError, match=r"`length` must leave room .*Received: length=1"):
        pad_tokens([[5]], 1, 1, 0)


def test_padding_mask():
    mask = padding_mask(np.array([[0, 2], [3, 1]]), 3)
    np.testing.assert_array_equal(
        mask.astype(int), [[[0, 0, 0], [1, 1, 0]], [[1, 1, 1], [1, 0, 0]]]
    )


def test_shift_right():
    labels = np.array([[5, 6, 1, 0], [7, 8, 9, 1], [0, 0, 0, 0]])
    shifted = shift_right(labels, np.array([3, 4, 0]), start_id=2, pad_id=0)
    np.testing.assert_array_equal(shifted, [[2, 5, 6, 0], [2, 7, 8, 9], [2, 0, 0, 0]])
