"""How far the confidence of answers is from how often they are right."""

from collections.abc import Sequence

import numpy as np

from glimmer_keras.utils.checks import check_integer

Numbers = Sequence[float] | np.ndarray

LEAST = 1e-6  # of a confidence, and of its distance from 1
STEPS = 50
RIDGE = 1e-3


def expected_calibration_error(confidences: Numbers, right: Numbers, bins: int = 10) -> float:
    """Mean distance of confidence and share of right answers (Guo et al., 2017).

    Args:
        confidences: From 0 to 1, one of each answer.
        right: From 0 to 1, whether each answer is right.
        bins: Number of ranges of confidence, of equal width, whose means are compared; each counts
            as often as it has answers.

    Raises:
        ValueError: If the lengths differ, there are none, or a value is out of range.
    """
    p, y = _checked(confidences, right)
    check_integer("bins", bins)
    places = np.minimum((p * bins).astype(int), bins - 1)
    gaps = np.bincount(places, p - y, bins)
    return float(np.abs(gaps).sum() / len(p))


def calibrated(confidences: Numbers, calibration: Sequence[float]) -> np.ndarray:
    """Confidences as `fit_calibration` corrects them, float64 `(answers,)`.

    Args:
        confidences: From 0 to 1.
        calibration: Slope and intercept on the scale of log odds; `(1, 0)` changes nothing.
    """
    slope, intercept = calibration
    z = slope * _log_odds(np.asarray(confidences, "float64")) + intercept
    return 1 / (1 + np.exp(-z))


def fit_calibration(confidences: Numbers, right: Numbers) -> tuple[float, float]:
    """Fit slope and intercept by which confidences tell best how often answers are right.

    Logistic regression on log odds (Platt, 1999), drawn a little towards no change. Fit it on
    answers that no error is told of.

    Args:
        confidences: From 0 to 1, one of each answer.
        right: From 0 to 1, whether each answer is right.

    Raises:
        ValueError: If the lengths differ, there are none, or a value is out of range.
    """
    p, y = _checked(confidences, right)
    x = np.stack([_log_odds(p), np.ones_like(p)], axis=1)
    start = np.array([1.0, 0.0])
    weights = start.copy()
    for _ in range(STEPS):
        share = 1 / (1 + np.exp(-x @ weights))
        gradient = x.T @ (share - y) / len(y) + RIDGE * (weights - start)
        curvature = (x * (share * (1 - share))[:, None]).T @ x / len(y) + RIDGE * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        # A full step of Newton's can go too far where all answers are right or wrong.
        weights -= step / max(1.0, float(np.abs(step).max()))
    return float(weights[0]), float(weights[1])


def _log_odds(p):
    p = np.clip(p, LEAST, 1 - LEAST)
    return np.log(p / (1 - p))


def _checked(confidences, right):
    p, y = np.asarray(confidences, "float64"), np.asarray(right, "float64")
    if p.ndim != 1 or p.shape != y.shape or not len(p):
        raise ValueError(
            "`confidences` and `right` must be as many numbers, at least one. "
            f"Received: shapes {p.shape} and {y.shape}"
        )
    for name, values in (("confidences", p), ("right", y)):
        if not ((values >= 0) & (values <= 1)).all():
            raise ValueError(f"`{name}` must be from 0 to 1. Received: {values}")
    return p, y
