import numpy as np
import pytest

from glimmer_keras.metrics import recall_at


def test_the_best_alternative_counts():
    rows = np.array([4, 7, 2, 9, -1])
    evidence = [{2, 7}, {9, 5, 6}]
    assert recall_at(rows, evidence, 1) == 0.0
    assert recall_at(rows, evidence, 2) == 0.5
    assert recall_at(rows, evidence, 3) == 1.0
    assert recall_at(rows, evidence[1:], 50) == pytest.approx(1 / 3)


def test_alternatives_of_one_passage():
    assert recall_at([4, 7], [{3}, {7}], 2) == 1.0


@pytest.mark.parametrize(
    ("evidence", "m", "message"),
    [
        ([{1}], 0, r"`m` must be at least 1\. Received: m=0"),
        ([], 1, r"`evidence_sets` must hold at least one set, none empty\. Received: \[\]"),
        ([{1}, set()], 1, r"Received: \[\[1\], \[\]\]"),
    ],
)
def test_errors(evidence, m, message):
    with pytest.raises(ValueError, match=message):
        recall_at([1, 2], evidence, m)
