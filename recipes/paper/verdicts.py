"""Means over seeds, and whether a claim of the paper is seen in them."""

import math
import statistics
from dataclasses import dataclass
from typing import Any

import numpy as np

from recipes.paper.claims import Claim

# 97.5 % points of Student's t by degrees of freedom; between two of them the smaller counts.
T = {1: 12.71, 2: 4.30, 3: 3.18, 4: 2.78, 5: 2.57, 6: 2.45, 8: 2.31, 10: 2.23, 15: 2.13, 20: 2.09}
NORMAL = 1.96  # the same of the normal distribution
SAME, OPPOSITE, NOISE = "same direction", "opposite", "within the noise"
ALIKE, DIFFERENT = "same: no difference seen", "opposite: they differ"
MISSING, ONE_SEED = "not run", " (one seed)"
RULE = (
    "Verdicts. A claim is a difference of mean scores that should be over 0, or a difference of "
    "two differences. Its noise is a half-width of a 95 % confidence interval, of two parts added "
    "as squares. That of the seeds: Student's t, with the standard deviation over seeds pooled "
    "over the rows that are compared. That of the questions, which all seeds share: 1.96 standard "
    "errors of the difference, taken question by question on means over seeds. Some of the "
    "seeds' noise is in both parts, so the noise is rather too large than too small; and it is "
    "{least} points at least, so that a handful of questions is no difference. With one seed the "
    "noise is that of the questions alone. *Same direction*: over the noise; *opposite*: below "
    "its negative; else *within the noise*. Where the claim is that two are about as good, a "
    "difference within the noise is the *same*, which says little where the noise is large; any "
    "other is *opposite*, whichever is the better. Claims in italics are not the paper's. Of "
    "claims in which there is nothing, one in twenty is decided by chance."
)


@dataclass(frozen=True)
class Sample:
    """What a row scored, over seeds.

    Args:
        scores: Points, of each seed.
        correct: By task, for each seed a digit for every question: whether it was right.
    """

    scores: list[float]
    correct: dict[str, list[str]]


def spread_of(scores: list[float]) -> dict[str, Any]:
    """Mean, standard deviation (`None` for one seed), minimum and maximum."""
    deviation = statistics.stdev(scores) if len(scores) > 1 else None
    return {
        "mean": statistics.mean(scores),
        "sd": deviation,
        "min": min(scores),
        "max": max(scores),
    }


def verdict(claim: Claim, samples: dict[str, Sample], least: float) -> dict[str, Any]:
    """Judge a claim on what each row scored, by `RULE`."""
    rows = {label: samples[label] for label in claim.contrast if label in samples}
    if len(rows) < len(claim.contrast):
        return {"verdict": MISSING}
    difference = sum(
        factor * statistics.mean(rows[label].scores) for label, factor in claim.contrast.items()
    )
    seeds, questions = seed_noise(claim, rows), NORMAL * question_error(claim, rows)
    noise = max(least, math.hypot(seeds or 0.0, questions))
    if claim.alike:
        judged = ALIKE if abs(difference) <= noise else DIFFERENT
    elif abs(difference) <= noise:
        judged = NOISE
    else:
        judged = SAME if difference > 0 else OPPOSITE
    return {
        "difference": difference,
        "noise": noise,
        "seed_noise": seeds,
        "question_noise": questions,
        "verdict": judged + (ONE_SEED if seeds is None else ""),
    }


def seed_noise(claim: Claim, rows: dict[str, Sample]) -> float | None:
    """Half-width for the contrast of the seeds' scores; `None` where each row has one seed."""
    freedom = sum(len(row.scores) - 1 for row in rows.values())
    if freedom == 0:
        return None
    squares = sum(
        (score - statistics.mean(row.scores)) ** 2 for row in rows.values() for score in row.scores
    )
    weight = sum(factor**2 / len(rows[label].scores) for label, factor in claim.contrast.items())
    quantile = T[max(listed for listed in T if listed <= freedom)]
    return quantile * math.sqrt(squares / freedom * weight)


def question_error(claim: Claim, rows: dict[str, Sample]) -> float:
    """Standard error over questions, in points, of the contrast averaged over the tasks."""
    tasks = next(iter(rows.values())).correct
    squares = 0.0
    for task in tasks:
        difference = sum(
            factor * digits_of(rows[label].correct[task]).mean(axis=0)
            for label, factor in claim.contrast.items()
        )
        squares += np.var(difference) / max(1, len(difference) - 1)
    return 100 * math.sqrt(squares) / len(tasks)


def digits_of(seeds: list[str]) -> np.ndarray:
    """`(seeds, questions)`, of strings of 0 and 1."""
    return np.array([np.frombuffer(digits.encode(), "uint8") - ord("0") for digits in seeds])
