import numpy as np
import pytest

from glimmer_keras.layers import PassageScorer

STATES = np.array([[[[3.0, 4.0], [6.0, 8.0]], [[1.0, -1.0], [1.0, 1.0]]]])
NORM = 12.5**0.5  # root mean square of (3, 4)


def scorer(pooling):
    layer = PassageScorer(pooling, epsilon=0.0)
    layer.build(STATES.shape)
    layer.kernel.assign([1.0, 2.0])
    return layer


def test_first_token_by_hand():
    out = scorer("first")(STATES, np.ones((1, 2, 2), bool))
    np.testing.assert_allclose(np.asarray(out), [[11 / NORM, -1.0]], rtol=1e-6)


def test_mean_by_hand_leaves_padding_out():
    mask = np.array([[[True, True], [True, False]]])
    out = scorer("mean")(STATES, mask)
    np.testing.assert_allclose(np.asarray(out), [[11 / NORM, -1.0]], rtol=1e-6)
    out = scorer("mean")(STATES, np.ones((1, 2, 2), bool))
    np.testing.assert_allclose(np.asarray(out), [[11 / NORM, 1.0]], rtol=1e-6)


def test_a_prior_is_weighed_and_added_by_hand():
    layer = PassageScorer("first", epsilon=0.0, use_prior=True)
    layer.build(STATES.shape)
    layer.kernel.assign([1.0, 2.0])
    prior = np.array([[-1.0, 3.0]])
    out = layer(STATES, np.ones((1, 2, 2), bool), prior)
    np.testing.assert_allclose(np.asarray(out), [[11 / NORM - 1, 2.0]], rtol=1e-6)
    layer.prior_weight.assign([0.5])
    out = layer(STATES, np.array([[[True, True], [False, False]]]), prior)
    np.testing.assert_allclose(np.asarray(out), [[11 / NORM - 0.5, -1e9]], rtol=1e-6)


def test_missing_passage_is_last():
    for pooling in ("first", "mean"):
        out = scorer(pooling)(STATES, np.array([[[True, True], [False, False]]]))
        assert np.asarray(out)[0, 1] == -1e9


def test_starts_off_zero():
    layer = PassageScorer()
    layer.build((None, None, None, 400))
    assert np.std(np.asarray(layer.kernel)) == pytest.approx(400**-0.5, rel=0.2)


def test_errors():
    with pytest.raises(ValueError, match="`pooling` must be .*Received: pooling='last'"):
        PassageScorer("last")
