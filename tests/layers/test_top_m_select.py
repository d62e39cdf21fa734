import keras
import numpy as np
import pytest

from glimmer_keras.layers import TopMSelect
from glimmer_keras.layers.top_m_select import rank_passages

STATES = np.arange(4.0).reshape(1, 4, 1, 1)


def select(scores, present, m=2):
    ranking, states, mask = TopMSelect(m)(
        np.array([scores], "float32"), STATES, np.array([present])[:, :, None]
    )
    return (np.asarray(x)[0].reshape(-1).tolist() for x in (ranking, states, mask))


def test_best_first():
    ranking, states, mask = select([0.1, 3.0, -2.0, 1.0], [True] * 4)
    assert ranking == [1, 3, 0, 2]
    assert states == [1.0, 3.0]
    assert mask == [True, True]


def test_ties_go_to_the_lower_index():
    ranking, states, _ = select([1.0, 2.0, 2.0, 1.0], [True] * 4, m=3)
    assert ranking == [1, 2, 0, 3]
    assert states == [1.0, 2.0, 0.0]


def test_missing_passages_come_last_whatever_their_score():
    ranking, _, mask = select([9.0, -5.0, 8.0, -4.0], [False, True, False, True], m=3)
    assert ranking == [3, 1, 0, 2]
    assert mask == [True, True, False]


def test_ranking_equals_a_stable_sort(rng):
    scores = rng.integers(0, 4, (20, 9)).astype("float32")
    ranking = rank_passages(scores, np.ones(scores.shape, bool))
    np.testing.assert_array_equal(np.asarray(ranking), np.argsort(-scores, axis=1, kind="stable"))


def test_errors_and_config():
    with pytest.raises(ValueError, match="Received: num_selected=0"):
        TopMSelect(0)
    with pytest.raises(ValueError, match="Received: num_selected=5, passages=4"):
        select([0.0] * 4, [True] * 4, m=5)
    config = keras.saving.serialize_keras_object(TopMSelect(3))
    assert keras.saving.deserialize_keras_object(config).num_selected == 3
