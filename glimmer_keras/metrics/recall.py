from collections.abc import Sequence
from collections.abc import Set as AbstractSet

import numpy as np


def recall_at(
    ranked_rows: Sequence[int] | np.ndarray, evidence_sets: Sequence[AbstractSet[int]], m: int
) -> float:
    """How much of the evidence is among the first `m` retrieved passages.

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
    if m < 1:
        raise ValueError(f"`m` must be at least 1. Received: m={m}")
    if not evidence_sets or not all(evidence_sets):
        raise ValueError(
            "`evidence_sets` must hold at least one set, none empty. "
            f"Received: {[sorted(rows) for rows in evidence_sets]}"
        )
    found = {int(row) for row in ranked_rows[:m]}
    return max(len(found & rows) / len(rows) for rows in evidence_sets)
