import numpy as np
import pytest

from glimmer_keras.retrieval import FusedRetriever


class Fixed:
    """Finds what it has, whatever is asked."""

    def __init__(self, *rows, passages=9, fingerprint=""):
        self.rows, self.passages, self.fingerprint = rows, passages, fingerprint
        self.settings = {"rows": rows}

    def __len__(self):
        return self.passages

    def search(self, queries, k):
        found = np.full((len(queries), k), -1, "int32")
        found[:, : len(self.rows)] = self.rows
        return found, np.zeros(found.shape, "float32")


def test_ranks_are_fused_by_hand():
    fused = FusedRetriever([Fixed(4, 2, 7), Fixed(2, 5)], constant=10.0)
    rows, scores = fused.search(["a", "b"], 5)
    assert rows.tolist() == [[2, 4, 5, 7, -1]] * 2
    np.testing.assert_allclose(scores[0], [1 / 12 + 1 / 11, 1 / 11, 1 / 12, 1 / 13, 0], rtol=1e-6)
    rows, _ = fused.search(["a"], 2)
    assert rows.tolist() == [[2, 4]]
    assert fused.search([], 2)[0].shape == (0, 2)


def test_equal_scores_go_to_the_lower_row():
    rows, _ = FusedRetriever([Fixed(4, 1), Fixed(1, 4)]).search(["a"], 3)
    assert rows.tolist() == [[1, 4, -1]]


def test_it_is_of_the_same_passages():
    fused = FusedRetriever([Fixed(1, fingerprint="p"), Fixed(2)])
    assert (len(fused), fused.fingerprint) == (9, "p")
    assert fused.settings["retrievers"] == [{"rows": (1,)}, {"rows": (2,)}]
    for others, message in (
        ([Fixed(1)], "must be at least two. Received: 1"),
        ([Fixed(1), Fixed(1, passages=8)], r"the same passages. Received: \[9, 8\] passages"),
        ([Fixed(1, fingerprint="p"), Fixed(1, fingerprint="q")], "2 fingerprints"),
    ):
        with pytest.raises(ValueError, match=message):
            FusedRetriever(others)
    with pytest.raises(ValueError, match="`constant` must be over 0. Received: constant=0"):
        FusedRetriever([Fixed(1), Fixed(1)], 0)
