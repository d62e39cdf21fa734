import numpy as np
import pytest

from glimmer_keras.metrics import expected_calibration_error, fit_calibration
from glimmer_keras.metrics.calibration import calibrated


def test_error_worked_by_hand():
    # Ranges to a half and from there: |0.2 - 0| of two, and |0.8 - 0.5| of two.
    found = expected_calibration_error([0.1, 0.3, 0.7, 0.9], [0, 0, 1, 0], bins=2)
    assert found == pytest.approx((2 * 0.2 + 2 * 0.3) / 4)
    assert expected_calibration_error([1.0, 0.0], [1, 0]) == 0


def test_a_fit_finds_what_was_put_in():
    rng = np.random.default_rng(0)
    p = rng.uniform(0.02, 0.98, 20_000)
    true = calibrated(p, (0.5, -1.0))
    right = rng.random(len(p)) < true
    slope, intercept = fit_calibration(p, right)
    assert (slope, intercept) == (pytest.approx(0.5, abs=0.05), pytest.approx(-1.0, abs=0.05))
    before, after = (
        expected_calibration_error(x, right) for x in (p, calibrated(p, (slope, intercept)))
    )
    assert before > 0.2
    assert after < 0.02


def test_no_change():
    p = [0.0, 0.2, 0.5, 1.0]
    np.testing.assert_allclose(calibrated(p, (1, 0)), p, atol=2e-6)


@pytest.mark.parametrize("right", [[1, 1, 1], [0, 0, 0]])
def test_answers_that_are_all_alike_give_finite_numbers(right):
    slope, intercept = fit_calibration([1.0, 0.5, 0.0], right)
    assert np.isfinite([slope, intercept]).all()
    assert (calibrated([0.5], (slope, intercept))[0] > 0.5) == bool(right[0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([], []), "at least one"),
        (([0.5], [1, 0]), "as many numbers"),
        (([1.5], [1]), "`confidences` must be from 0 to 1"),
        (([0.5], [2]), "`right` must be from 0 to 1"),
        (([float("nan")], [1]), "`confidences` must be from 0 to 1"),
    ],
)
def test_what_is_refused(arguments, message):
    for function in (expected_calibration_error, fit_calibration):
        with pytest.raises(ValueError, match=message):
            function(*arguments)
    with pytest.raises(ValueError, match="`bins` must be at least 1"):
        expected_calibration_error([0.5], [1], 0)
