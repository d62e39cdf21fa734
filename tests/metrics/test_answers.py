import pytest

from glimmer_keras.metrics import accuracy, exact_match, f1, normalize_answer, rouge_l


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("The  Magic-Flute!", "magicflute"),
        ("an apple a day", "apple day"),
        ("U.S.A.", "usa"),
        ("theatre", "theatre"),
        ("  A ", ""),
    ],
)
def test_normalize_answer(text, normal):
    assert normalize_answer(text) == normal


def test_exact_match():
    assert exact_match("the Beatles.", ["Beatles", "x"]) == 1.0
    assert exact_match("Beatle", ["Beatles", "x"]) == 0.0


def test_f1():
    # shared {new, york}: precision 2/3, recall 2/2, so 2 * 2/3 / (5/3) = 0.8
    assert f1("New York City", ["Boston", "the New York"]) == pytest.approx(0.8)
    # a word counts as often as both have it: 1 of 2 and 1 of 1
    assert f1("go go", ["go"]) == pytest.approx(2 / 3)
    assert f1("", ["go"]) == 0.0
    assert f1("Rome", ["rome", "Rome Italy"]) == 1.0


def test_accuracy_is_without_normalisation():
    assert accuracy(" SUPPORTS ", ["SUPPORTS"]) == 1.0
    assert accuracy("supports", ["SUPPORTS"]) == 0.0


@pytest.mark.parametrize("metric", [accuracy, exact_match, f1, rouge_l])
def test_a_blank_prediction_has_nothing(metric):
    # Without it "" would be "the" after normalisation.
    assert metric(" \n", ["The", "x"]) == 0.0
    assert exact_match("a", ["The", "x"]) == 1.0
    assert metric("x", ["", " ", " x "]) == pytest.approx(1.0)


@pytest.mark.parametrize("metric", [accuracy, exact_match, f1, rouge_l])
def test_errors(metric):
    with pytest.raises(ValueError, match=r"`answers` must hold at least one .*Received: 0 answers"):
        metric("x", [])
    with pytest.raises(ValueError, match="Received: 2 answers"):
        metric("x", ["", " "])
    with pytest.raises(TypeError, match=r"`answers` must be a sequence of strings\. .*'gold'"):
        metric("x", "gold")
