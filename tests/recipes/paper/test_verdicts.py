import dataclasses

import pytest

from recipes.paper.claims import Claim
from recipes.paper.verdicts import (
    ALIKE,
    DIFFERENT,
    MISSING,
    NOISE,
    ONE_SEED,
    OPPOSITE,
    SAME,
    Sample,
    verdict,
)


def judged(claim, least, **scores):
    """A verdict where all answers are alike, so that the noise is that of the seeds."""
    samples = {
        label: Sample(values, {"qa": ["01"] * len(values)}) for label, values in scores.items()
    }
    return verdict(claim, samples, least)


def test_verdicts_by_hand():
    over = Claim("a over b", {"a": 1, "b": -1})
    # Squares about the means: 2 and 2, freedom 4, t 2.78: 2.78 sqrt(1 (1/3 + 1/3)) = 2.27.
    near, far = [1.0, 2.0, 3.0], [5.0, 6.0, 7.0]
    found = judged(over, 1.0, a=far, b=near)
    assert found["difference"] == pytest.approx(4)
    assert found["noise"] == pytest.approx(2.78 * (2 / 3) ** 0.5)
    assert found["verdict"] == SAME
    assert judged(over, 1.0, a=near, b=far)["verdict"] == OPPOSITE
    assert judged(over, 1.0, a=near, b=[4.0, 4.0, 4.0])["verdict"] == OPPOSITE
    assert judged(over, 4.5, a=far, b=near)["verdict"] == NOISE
    assert judged(over, 1.0, a=[3.0, 4.0, 5.0], b=near)["verdict"] == NOISE
    assert judged(over, 1.0, a=near) == {"verdict": MISSING}
    alike = dataclasses.replace(over, alike=True)
    assert judged(alike, 1.0, a=[3.0, 4.0, 5.0], b=near)["verdict"] == ALIKE
    assert judged(alike, 1.0, a=far, b=near)["verdict"] == DIFFERENT
    # (6 - 2) - (2 - 0) = 2; squares 2, 2, 2, 0, freedom 8, t 2.31; factors' squares 4 / 3.
    gains = Claim("a gains more", {"a": 1, "b": -1, "c": -1, "d": 1})
    found = judged(gains, 1.0, a=far, b=near, c=near, d=[0.0] * 3)
    assert found["difference"] == pytest.approx(2)
    assert found["noise"] == pytest.approx(2.31 * (6 / 8 * 4 / 3) ** 0.5)
    assert found["verdict"] == NOISE


def test_noise_of_the_questions_by_hand():
    over = Claim("a over b", {"a": 1, "b": -1})
    a = Sample([37.5, 25.0], {"qa": ["1100", "1000"], "slots": ["10", "10"]})
    b = Sample([12.5, 12.5], {"qa": ["0000", "0000"], "slots": ["01", "01"]})
    found = verdict(over, {"a": a, "b": b}, 1.0)
    # qa differs by 1, 0.5, 0, 0, squares about their mean 0.6875; slots by 1 and -1, squares 2.
    error = 100 * (0.6875 / 3 / 4 + 2 / 1 / 2) ** 0.5 / 2
    assert found["question_noise"] == pytest.approx(1.96 * error)
    # Squares 2 * 6.25**2 and 0, freedom 2, t 4.30.
    assert found["seed_noise"] == pytest.approx(4.30 * 6.25)
    assert found["noise"] == pytest.approx((26.875**2 + (1.96 * error) ** 2) ** 0.5)
    one = {
        label: Sample(row.scores[:1], {"qa": row.correct["qa"][:1]})
        for label, row in (("a", a), ("b", b))
    }
    found = verdict(over, one, 1.0)
    assert found["seed_noise"] is None
    assert found["noise"] == pytest.approx(196 * (1 / 3 / 4) ** 0.5)  # 1, 1, 0, 0
    assert found["verdict"] == NOISE + ONE_SEED
