import numpy as np
import pytest

from glimmer_keras.memory import StoredPassage
from glimmer_keras.memory.arrays import TEXT_CHUNK, numpy_dtype
from glimmer_keras.memory.manifest import Settings
from glimmer_keras.memory.shard import make_shard

SETTINGS = Settings(2, 3, "float32", 2)
PASSAGES = [StoredPassage("a", "", ""), StoredPassage("b", "", "")]


def test_padded_and_ragged_are_the_same():
    padded = np.arange(12, dtype="float32").reshape(2, 3, 2)
    one = make_shard(SETTINGS, padded, [3, 1], PASSAGES)
    other = make_shard(SETTINGS, [padded[0], padded[1, :1].astype("float64")], [3, 1], PASSAGES)
    assert one.memory.tolist() == [[[0, 1], [2, 3], [4, 5]], [[6, 7], [0, 0], [0, 0]]]
    np.testing.assert_array_equal(one.memory, other.memory)
    np.testing.assert_array_equal(one.records, other.records)
    assert one.scales is None
    assert one.text.shape == (TEXT_CHUNK,)


def test_bfloat16_is_taken_as_it_is():
    values = np.array([[[1.5, -2.0]], [[0.0, 3.0]]]).astype(numpy_dtype("bfloat16"))
    shard = make_shard(Settings(2, 3, "bfloat16", 2), values, [1, 1], PASSAGES)
    np.testing.assert_array_equal(shard.memory[:, :1], values)


ONES = np.ones((2, 3, 2), "float32")


@pytest.mark.parametrize(
    ("memory", "lengths", "passages", "message"),
    [
        (ONES, [3], PASSAGES, r"`lengths` must be integers of shape \(2,\).*shape \(1,\)"),
        (ONES, [3.0, 1.0], PASSAGES, r"`lengths` must be integers .*Received: float64"),
        (ONES, [3, 0], PASSAGES, r"`lengths` must be from 1 to 3 .*length=0 for passage 1"),
        (ONES, [4, 1], PASSAGES, r"`lengths` must be from 1 to 3 .*length=4 for passage 0"),
        (ONES[:, :2], [3, 1], PASSAGES, r"`lengths` must be from 1 to 2 \(`memory` has 2 tokens"),
        (ONES[..., :1], [1, 1], PASSAGES, r"shape \(passages, length, 2\)\. .*\(3, 1\)"),
        (ONES.astype("int32"), [1, 1], PASSAGES, r"must be of floats .*Received: int32"),
        (ONES[:0], np.zeros(0, int), [], r"at least one passage\. Received: 0"),
        (np.ones((3, 3, 2)), [1, 1, 1], PASSAGES, r"at most shard_size=2 passages\. Received: 3"),
        (ONES, [1, 1], PASSAGES[:1], r"`passages` must be as many .*: 2\. Received: 1"),
        (ONES * np.nan, [1, 1], PASSAGES, r"finite as float32\. .*in passage 'a' at 0"),
        (
            [ONES[0], ONES[1].astype("float64") * 1e300],
            [1, 1],
            PASSAGES,
            r"finite as float32\. .*in passage 'b' at 1",
        ),
    ],
)
def test_errors(memory, lengths, passages, message):
    with pytest.raises(ValueError, match=message):
        make_shard(SETTINGS, memory, lengths, passages)


def test_too_much_text_is_not_cut():
    passages = [StoredPassage("a", "", "x" * 2**24), PASSAGES[1]]
    with pytest.raises(ValueError, match=r"at most 16777216 bytes of text in a shard of 2"):
        make_shard(SETTINGS, ONES, [1, 1], passages)


def test_what_is_past_the_length_may_be_anything():
    values = ONES.copy()
    values[:, 1:] = np.nan
    assert np.isfinite(make_shard(SETTINGS, values, [1, 1], PASSAGES).memory).all()
