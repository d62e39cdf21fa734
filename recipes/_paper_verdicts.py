"""Means over seeds, and whether a claim of the paper is seen in them."""

import math
import statistics
from typing import Any

from _paper_comparisons import Claim

# 97.5 % points of Student's t by degrees of freedom; between two of them the smaller counts.
T = {1: 12.71, 2: 4.30, 3: 3.18, 4: 2.78, 5: 2.57, 6: 2.45, 8: 2.31, 10: 2.23, 15: 2.13, 20: 2.09}
SAME, OPPOSITE, NOISE = "same direction", "opposite", "within the noise"
ALIKE, DIFFERENT = "same: no difference seen", "opposite: they differ"
MISSING, ONE_SEED = "not run", "not judged: one seed"
RULE = (
    "Verdicts. A claim is a difference of mean scores that should be over 0, or a difference of "
    "two differences. Its noise is a half-width of the 95 % confidence interval: Student's t, "
    "with the standard deviation over seeds pooled over the rows that are compared; but {least} "
    "points at least, so that a handful of test questions is no difference. *Same direction*: over "
    "the noise; *opposite*: below its negative; else *within the noise*. Where the claim is that "
    "two are about as good, a difference within the noise is the *same*, which says little where "
    "the noise is large; any other is *opposite*, whichever is the better. Claims in italics are "
    "not the paper's. Of claims in which there is nothing, one in twenty is decided by chance."
)


def spread_of(scores: list[float]) -> dict[str, Any]:
    """Mean, standard deviation (`None` for one seed), minimum and maximum."""
    deviation = statistics.stdev(scores) if len(scores) > 1 else None
    return {
        "mean": statistics.mean(scores),
        "sd": deviation,
        "min": min(scores),
        "max": max(scores),
    }


def verdict(claim: Claim, scores: dict[str, list[float]], least: float) -> dict[str, Any]:
    """Judge a claim on the scores of each row over seeds, by `RULE`."""
    rows = {label: scores.get(label, []) for label in claim.contrast}
    if not all(rows.values()):
        return {"verdict": MISSING}
    difference = sum(
        factor * statistics.mean(rows[label]) for label, factor in claim.contrast.items()
    )
    freedom = sum(len(values) - 1 for values in rows.values())
    if freedom == 0:
        return {"difference": difference, "verdict": ONE_SEED}
    squares = sum(
        (value - statistics.mean(values)) ** 2 for values in rows.values() for value in values
    )
    weight = sum(factor**2 / len(rows[label]) for label, factor in claim.contrast.items())
    quantile = T[max(listed for listed in T if listed <= freedom)]
    noise = max(least, quantile * math.sqrt(squares / freedom * weight))
    if claim.alike:
        found = ALIKE if abs(difference) <= noise else DIFFERENT
    elif abs(difference) <= noise:
        found = NOISE
    else:
        found = SAME if difference > 0 else OPPOSITE
    return {"difference": difference, "noise": noise, "verdict": found}
