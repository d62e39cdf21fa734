"""KILT's metrics of a ranking: what is ranked are ids of pages, passages or rows.

`evidence_sets` are alternatives, each a collection of ids that belong together. Repeated ids and
repeated sets count once, as in KILT's evaluator.
"""

from collections.abc import Collection, Hashable, Iterable, Sequence
from collections.abc import Set as AbstractSet

import numpy as np

from glimmer_keras.utils.checks import check_integer

Ids = Iterable[Hashable]
Sets = Sequence[Collection[Hashable]]


def r_precision(ranked: Ids, evidence_sets: Sets) -> float:
    """Score the best evidence set: of its R ids, the share that is among the first R ranked."""
    best, ids = 0.0, list(dict.fromkeys(ranked))
    for evidence in map(set, _check_sets(evidence_sets)):
        if evidence:
            retrieved = evidence.intersection(ids[: len(evidence)])
            best = max(best, len(retrieved) / len(evidence))
    return best


def precision_at(ranked: Ids, evidence_sets: Sets, k: int) -> float:
    """Count the evidence sets complete in the first `k` points of the ranking, over `k`.

    An evidence set is one point, where the last of its ids that was found is; an id of no set is
    a point too. So a set of two pages takes one of the `k` places, and two sets that end with the
    same page take two.
    """
    return _scores_at(*_points(ranked, evidence_sets), k)["precision"]


def recall_at(ranked: Ids, evidence_sets: Sets, k: int) -> float:
    """Share of the distinct evidence sets that are complete in the first `k` points.

    Points are those of `precision_at`.
    """
    return _scores_at(*_points(ranked, evidence_sets), k)["recall"]


def success_rate_at(ranked: Ids, evidence_sets: Sets, k: int) -> float:
    """Give 1.0 if an evidence set is complete in the first `k` points, else 0.0.

    Points are those of `precision_at`.
    """
    return _scores_at(*_points(ranked, evidence_sets), k)["success_rate"]


def retrieval_scores(ranked: Ids, evidence_sets: Sets, ks: Sequence[int]) -> dict[str, float]:
    """Score `precision@k`, `recall@k` and `success_rate@k` for each `k`; of `k=1` the first only.

    KILT leaves the others out there: of one place, precision tells whether it is right.
    """
    points, number = _points(ranked, evidence_sets)
    return {
        f"{name}@{k}": score
        for k in sorted(ks)
        for name, score in _scores_at(points, number, k).items()
        if k > 1 or name == "precision"
    }


def found_evidence_at(
    ranked_rows: Sequence[int] | np.ndarray, evidence_sets: Sequence[AbstractSet[int]], m: int
) -> float:
    """Score how much of the evidence is among the first `m` passages; not one of KILT's metrics.

    For each alternative evidence set the share of its passages found there is taken, and the
    largest share returned: 1.0 as soon as one alternative is complete. With sets of one passage
    this is 1.0 when any of them is found.

    Args:
        ranked_rows: Integers `(passages,)`, corpus rows from best to worst, -1 for missing ones.
        evidence_sets: Alternative sets of corpus rows, none empty.
        m: How many passages to look at; fewer are looked at where there are fewer.

    Raises:
        ValueError: If `m` is below 1, or there is no evidence set, or an empty one.
    """
    check_integer("m", m)
    if not evidence_sets or not all(evidence_sets):
        raise ValueError(
            "`evidence_sets` must hold at least one set, none empty. "
            f"Received: {[sorted(rows) for rows in evidence_sets]}"
        )
    first_rows = {int(row) for row in ranked_rows[:m]}
    return max(len(first_rows & rows) / len(rows) for rows in evidence_sets)


def _check_sets(evidence_sets: Sets) -> Sets:
    if not evidence_sets:
        raise ValueError("`evidence_sets` must hold at least one set. Received: 0 sets")
    return evidence_sets


def _points(ranked: Ids, evidence_sets: Sets) -> tuple[list[bool], int]:
    """Tell of each point of the ranking whether it is a complete set, and the number of sets."""
    ids, sets = list(dict.fromkeys(ranked)), list(dict.fromkeys(map(frozenset, evidence_sets)))
    ranked_of_sets = [[item for item in ids if item in evidence] for evidence in sets]
    points = []
    for item in ids:
        if not any(item in evidence for evidence in sets):
            points.append(False)
        for evidence, members in zip(sets, ranked_of_sets, strict=True):
            if members and members[-1] == item:
                points.append(len(members) == len(evidence))
    return points, len(sets)


def _scores_at(points: Sequence[bool], sets: int, k: int) -> dict[str, float]:
    check_integer("k", k)
    complete = sum(points[:k])
    recall = complete / sets if sets else 0.0
    return {
        "precision": complete / k,
        "recall": recall,
        "success_rate": float(complete > 0),
    }
