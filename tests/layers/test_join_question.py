import numpy as np
import pytest

from glimmer_keras.layers import JoinQuestion


def test_question_goes_before_each_passage_and_missing_passages_are_masked():
    question = np.full((1, 2, 1), 7.0)
    passages = np.arange(6.0).reshape(1, 2, 3, 1)
    states, mask = JoinQuestion()(
        question, np.array([[True, False]]), passages, np.array([[[True] * 3, [False] * 3]])
    )
    np.testing.assert_array_equal(
        np.asarray(states)[0, :, :, 0], [[7, 7, 0, 1, 2], [7, 7, 3, 4, 5]]
    )
    np.testing.assert_array_equal(
        np.asarray(mask)[0], [[True, False, True, True, True], [False] * 5]
    )


def test_memory_of_another_width_is_an_error():
    with pytest.raises(ValueError, match=r"`passage_memory` .*Received: shape=\(1, 2, 3, 5\)"):
        JoinQuestion()(
            np.ones((1, 2, 4)), np.ones((1, 2)), np.ones((1, 2, 3, 5)), np.ones((1, 2, 3))
        )
