import json

import numpy as np
import pytest

from glimmer_keras.data.token_cache import cache_key, cached_arrays
from tests import change_manifest


class Maker:
    def __init__(self):
        self.calls = 0

    def __call__(self, create):
        self.calls += 1
        create("a", (2, 2), "uint16")[:] = [[1, 2], [3, 4]]
        create("empty", (0, 3), "int32")
        return {"count": 7}


@pytest.mark.parametrize("on_disk", [False, True])
def test_arrays_and_counts(tmp_path, on_disk):
    arrays, notes = cached_arrays(tmp_path / "cache" if on_disk else None, "key", Maker())
    np.testing.assert_array_equal(arrays["a"], [[1, 2], [3, 4]])
    assert arrays["a"].dtype == np.uint16
    assert arrays["empty"].shape == (0, 3)
    assert notes == {"count": 7}
    assert isinstance(arrays["a"], np.memmap) == on_disk


def test_made_once_and_nothing_left_behind(tmp_path):
    make = Maker()
    cached_arrays(tmp_path, "key", make)
    arrays, notes = cached_arrays(tmp_path, "key", make)
    assert make.calls == 1
    assert notes == {"count": 7}
    assert [path.name for path in tmp_path.iterdir()] == ["key"]
    assert not arrays["a"].flags.writeable


def test_a_failure_leaves_no_entry(tmp_path):
    def fail(create):
        create("a", (1,), "int32")
        raise RuntimeError("tokenizer broke")

    with pytest.raises(RuntimeError, match="tokenizer broke"):
        cached_arrays(tmp_path, "key", fail)
    assert not [*tmp_path.iterdir()]


def test_the_first_of_two_writers_wins(tmp_path):
    def late(create):
        cached_arrays(tmp_path, "key", Maker())
        create("a", (1,), "int32")
        return {"count": 8}

    arrays, notes = cached_arrays(tmp_path, "key", late)
    assert notes == {"count": 7}
    assert arrays["a"].shape == (2, 2)


def test_an_array_that_does_not_fit_the_manifest(tmp_path):
    cached_arrays(tmp_path, "key", Maker())
    manifest = tmp_path / "key" / "manifest.json"
    changed = json.loads(manifest.read_text())
    changed["arrays"]["a"]["dtype"] = "int32"
    change_manifest(manifest, arrays=changed["arrays"])
    with pytest.raises(ValueError, match=r"a\.npy must be int32 of shape \[2, 2\]\. .*uint16"):
        cached_arrays(tmp_path, "key", Maker())


def test_key_tells_parts_apart():
    assert cache_key("a", "bc") != cache_key("ab", "c")
    assert cache_key("a", 1) == cache_key("a", 1)
