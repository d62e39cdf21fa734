import pytest

from glimmer_keras.metrics import rouge_l

SAME = 0.999999995  # 2 / (2 + 1e-8)


def f(precision, recall):
    return 2 * precision * recall / (precision + recall + 1e-8)


@pytest.mark.parametrize(
    ("prediction", "answer", "precision", "recall"),
    [
        ("a b c", "a c d", 2 / 3, 2 / 3),
        ("c b a", "a b c x", 1 / 3, 1 / 4),  # in another order one word is left
        ("go on go", "go", 1 / 2, 1),  # words count once
        ("Rome", "rome", 0, 0),  # nothing is normalised
        ("U.S.A.", "USA", 0, 0),  # three sentences
        ("a. .b", "a", 1 / 3, 1),  # a sentence of a blank is an empty word
        # Lin's example: {1, 2} and {1, 3, 5} of 1 2 3 4 5, and 8 words are predicted
        ("1 2 6 7 8.1 3 8 9 5", "1 2 3 4 5", 4 / 8, 4 / 5),
        # of "a b" and "b a" the subsequence is b, found again in the second sentence
        ("b a", "a b.b", 1 / 2, 1 / 2),
    ],
)
def test_by_hand(prediction, answer, precision, recall):
    assert rouge_l(prediction, [answer]) == pytest.approx(f(precision, recall), abs=1e-12)


def test_the_same_text_is_not_quite_one():
    assert rouge_l(" The opera\n Fidelio. ", ["x", "The opera Fidelio."]) == SAME


@pytest.mark.parametrize(("prediction", "answer"), [("...", "a"), ("a", "."), (".", ".")])
def test_nothing_but_full_stops(prediction, answer):
    assert rouge_l(prediction, [answer]) == 0.0


def test_a_long_answer_is_no_deep_recursion():
    text = " ".join(str(n) for n in range(1500))
    assert rouge_l(text, [text]) == SAME
