import numpy as np
import pytest

from glimmer_keras.metrics import (
    found_evidence_at,
    precision_at,
    r_precision,
    recall_at,
    success_rate_at,
)


def test_r_precision_is_that_of_the_best_set():
    sets = [["a", "b"], ["c"], ["d", "e", "f"]]
    assert r_precision("xa", sets) == 1 / 2
    assert r_precision("xc", sets) == 0.0  # R is 1, and c is second
    assert r_precision("xcd", sets) == 1 / 3
    assert r_precision("cx", sets) == 1.0


def test_r_precision_counts_no_page_twice():
    assert r_precision("aab", [["a", "b", "a"]]) == 1.0
    assert r_precision("axab", [["a", "b"]]) == 1 / 2


def test_r_precision_without_evidence():
    assert r_precision("a", [[]]) == 0.0
    assert r_precision("", [["a"]]) == 0.0


def at(k, ranked, sets):
    return [metric(ranked, sets, k) for metric in (precision_at, recall_at, success_rate_at)]


def test_a_set_is_one_point_where_it_is_complete():
    # points: b, 7-9 not complete, x, 1-2 complete
    ranked, sets = "2b7x19y", [["1", "2"], ["b"], ["7", "8", "9"]]
    assert at(1, ranked, sets) == [1.0, 1 / 3, 1.0]  # 2 counts where 1 is
    assert at(2, ranked, sets) == [1 / 2, 1 / 3, 1.0]  # b, x
    assert at(3, ranked, sets) == [2 / 3, 2 / 3, 1.0]  # b, x, 1-2
    assert at(9, ranked, sets) == [2 / 9, 2 / 3, 1.0]
    assert at(1, "x2b", sets) == [0.0, 0.0, 0.0]
    assert at(2, "x2", sets) == [0.0, 0.0, 0.0]


def test_two_sets_that_end_with_one_page_are_two_points():
    sets = [["a", "b"], ["b", "c"], ["z"]]
    assert at(1, "cab", sets) == [1.0, 1 / 3, 1.0]
    assert at(2, "cab", sets) == [1.0, 2 / 3, 1.0]


def test_repeated_pages_and_sets_count_once():
    sets = [["a"], ["a", "a"], ["b"]]
    assert at(2, "xxa", sets) == [1 / 2, 1 / 2, 1.0]


def test_an_empty_set_is_one_that_is_not_found():
    assert at(2, "a", [["a"], []]) == [1 / 2, 1 / 2, 1.0]
    assert at(2, "a", []) == [0.0, 0.0, 0.0]


def test_found_evidence_is_that_of_the_best_alternative():
    rows = np.array([4, 7, 2, 9, -1])
    evidence = [{2, 7}, {9, 5, 6}]
    assert found_evidence_at(rows, evidence, 1) == 0.0
    assert found_evidence_at(rows, evidence, 2) == 0.5
    assert found_evidence_at(rows, evidence, 3) == 1.0
    assert found_evidence_at(rows, evidence[1:], 50) == pytest.approx(1 / 3)


def test_alternatives_of_one_passage():
    assert found_evidence_at([4, 7], [{3}, {7}], 2) == 1.0


@pytest.mark.parametrize(
    ("evidence", "m", "message"),
    [
        ([{1}], 0, r"`m` must be at least 1\. Received: m=0"),
        ([], 1, r"`evidence_sets` must hold at least one set, none empty\. Received: \[\]"),
        ([{1}, set()], 1, r"Received: \[\[1\], \[\]\]"),
    ],
)
def test_found_evidence_errors(evidence, m, message):
    with pytest.raises(ValueError, match=message):
        found_evidence_at([1, 2], evidence, m)


@pytest.mark.parametrize("metric", [precision_at, recall_at, success_rate_at])
def test_errors(metric):
    with pytest.raises(ValueError, match=r"`k` must be at least 1\. Received: k=0"):
        metric("a", [["a"]], 0)
    with pytest.raises(ValueError, match=r"`evidence_sets` must hold at least one set\."):
        r_precision("a", [])
