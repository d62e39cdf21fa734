import pytest

from glimmer_keras.data import Example


def test_answers_are_distinct_stripped_and_in_order():
    example = Example("1", "nq", "who?", (" b", "", "a", "b", "a "))
    assert example.answers == ("b", "a")


def test_no_answers_stands_for_unknown():
    assert Example("1", "nq", "who?").answers == ()


def test_blank_answers_are_refused():
    with pytest.raises(ValueError, match=r"`answers` must hold at least one.*Received: .*id='x'"):
        Example("x", "nq", "who?", ("", " "))


def test_blank_question_is_refused():
    with pytest.raises(ValueError, match=r"`question` must not be blank\. Received: id='x'"):
        Example("x", "nq", "  ", ("a",))
