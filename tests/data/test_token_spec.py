import pytest

from glimmer_keras.data import TokenSpec


def test_defaults_are_those_of_t5():
    spec = TokenSpec(lambda texts: [[2] for _ in texts], "t5", 32128)
    assert (spec.pad_id, spec.end_id, spec.start_id) == (0, 1, 0)


def test_errors():
    with pytest.raises(ValueError, match=r"`fingerprint` must not be empty"):
        TokenSpec(lambda texts: [], "", 10)
    with pytest.raises(ValueError, match=r"`end_id` must be in the vocabulary of 10 .*end_id=10"):
        TokenSpec(lambda texts: [], "x", 10, end_id=10)
