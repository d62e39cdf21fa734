import pytest
from _kept_settings import as_json, check_settings, differences


def test_differences():
    assert differences({"a": {"b": 1}, "c": 2}, {"a": {"b": 1}, "c": 2}) == {}
    assert differences({"a": {"b": 1}}, {"a": {"b": 2}, "c": 3}) == {"a.b": (1, 2), "c": (None, 3)}


def test_the_first_difference_is_told(tmp_path):
    kept = as_json({"sizes": (1, 2), "seed": 1})
    check_settings(tmp_path, kept, {"sizes": [1, 2], "seed": 1})
    with pytest.raises(ValueError, match="has seed 1. Received: 2"):
        check_settings(tmp_path, kept, {"sizes": [1, 2], "seed": 2})
