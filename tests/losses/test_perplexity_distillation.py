import numpy as np
import pytest

from glimmer_keras.losses import answer_log_prob, perplexity_distillation


def reference(scores, log_probs, present, temperature, direction):
    """KL divergence over the passages that are there, one example a time, in float64."""
    losses = []
    for score, log_p, there in zip(scores, log_probs, present, strict=True):
        rank, lm = (np.exp(x[there] / temperature) for x in (score, log_p))
        rank, lm = rank / rank.sum(), lm / lm.sum()
        first, second = (lm, rank) if direction == "lm_to_rank" else (rank, lm)
        losses.append((first * np.log(first / second)).sum())
    return losses


def test_by_hand():
    # p_rank = (1/2, 1/2), p_LM = (3/4, 1/4)
    scores, log_probs = np.zeros((1, 2)), np.log([[0.75, 0.25]])
    present = np.ones((1, 2), bool)
    forward = perplexity_distillation(scores, log_probs, present)
    assert np.asarray(forward)[0] == pytest.approx(0.75 * np.log(1.5) + 0.25 * np.log(0.5))
    backward = perplexity_distillation(scores, log_probs, present, direction="rank_to_lm")
    assert np.asarray(backward)[0] == pytest.approx(0.5 * np.log(2 / 3) + 0.5 * np.log(2))


@pytest.mark.parametrize("direction", ["lm_to_rank", "rank_to_lm"])
@pytest.mark.parametrize("temperature", [0.1, 1.0, 5.0])
def test_equals_a_numpy_reference(rng, direction, temperature):
    scores, log_probs = rng.normal(size=(4, 6)), rng.normal(size=(4, 6)) - 2
    present = np.ones((4, 6), bool)
    present[1, 4:] = False
    present[2, [0, 2, 3]] = False
    masked = np.where(present, scores, -1e9)
    out = perplexity_distillation(masked, log_probs, present, temperature, direction)
    expected = reference(scores, log_probs, present, temperature, direction)
    np.testing.assert_allclose(np.asarray(out), expected, rtol=1e-4, atol=1e-6)


def test_no_passages_and_one_passage_cost_nothing():
    present = np.array([[False, False], [True, False]])
    out = perplexity_distillation(np.ones((2, 2)), np.ones((2, 2)), present)
    np.testing.assert_allclose(np.asarray(out), [0.0, 0.0], atol=1e-6)


def test_answer_log_prob_by_hand():
    logits = np.log([[[0.5, 0.25, 0.25], [0.1, 0.1, 0.8], [0.9, 0.05, 0.05]]])
    labels, weights = np.array([[1, 2, 0]]), np.array([[1.0, 1.0, 0.0]])
    total = np.log(0.25) + np.log(0.8)
    mean = answer_log_prob(logits, labels, weights)
    assert np.asarray(mean)[0] == pytest.approx(total / 2, rel=1e-5)
    summed = answer_log_prob(logits, labels, weights, reduction="sum")
    assert np.asarray(summed)[0] == pytest.approx(total, rel=1e-5)


def test_errors():
    x = np.zeros((1, 2))
    with pytest.raises(ValueError, match="`direction` must be one of .*Received: 'both'"):
        perplexity_distillation(x, x, x == 0, direction="both")
    with pytest.raises(ValueError, match="`temperature` must be over 0. Received: temperature=0"):
        perplexity_distillation(x, x, x == 0, temperature=0)
    with pytest.raises(ValueError, match="`reduction` must be .*Received: 'max'"):
        answer_log_prob(np.zeros((1, 1, 2)), np.zeros((1, 1)), np.ones((1, 1)), reduction="max")
