import pytest

from glimmer_keras.memory.reading import flatten


def test_flatten():
    assert flatten("a") == (["a"], ())
    assert flatten([]) == ([], (0,))
    assert flatten(["a", None]) == (["a", None], (2,))
    assert flatten((["a", "b", ""], ["c", "d", None])) == (["a", "b", "", "c", "d", None], (2, 3))
    with pytest.raises(ValueError, match=r"same shape in all parts"):
        flatten([["a"], "b"])
