import hashlib

import numpy as np
import pytest

from glimmer_keras.memory import StoredPassage
from glimmer_keras.memory.records import (
    HASH,
    SIZE,
    START,
    decode_passage,
    encode_passages,
    hash_ids,
    memory_checksum,
)


def test_hash_is_blake2b():
    digest = hashlib.blake2b("ü".encode(), digest_size=16).digest()
    expected = [int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:], "little")]
    assert hash_ids(["a", "ü"])[1].tolist() == expected
    assert hash_ids([]).shape == (0, 2)


def test_passages_there_and_back():
    passages = [StoredPassage("a", "", "x\ny"), StoredPassage("ü", 'T "1"', "", "7", 2, 3)]
    text, records = encode_passages(passages)
    parts = [text[int(r[START]) : int(r[START] + r[SIZE])] for r in records]
    assert [decode_passage(part) for part in parts] == passages
    assert b"".join(parts) == text
    np.testing.assert_array_equal(records[:, HASH], hash_ids(["a", "ü"]))


@pytest.mark.parametrize(
    "encoded", [b"", b"{}", b'["a","b"]', b'["a","b",1]', b'["a","b","c","d",1,"2"]', b"\xff"]
)
def test_not_a_passage(encoded):
    with pytest.raises(ValueError, match=r"."):
        decode_passage(encoded)


@pytest.mark.parametrize(
    ("passages", "error", "message"),
    [
        ([("", "t", "x")], ValueError, r"`passages` must have ids\. Received: id='' at 0"),
        ([("a", "", ""), ("a", "", "")], ValueError, r"distinct ids\. Received: id='a' at 0 and 1"),
        ([(7, "", "")], TypeError, r"strings as id, title and text\. Received: \[7, '', ''\] at 0"),
        ([("a", "", "\ud800")], ValueError, r"must be valid Unicode"),
    ],
)
def test_errors(passages, error, message):
    with pytest.raises(error, match=message):
        encode_passages([StoredPassage(*fields) for fields in passages])


def test_checksum_tells_values_and_scales_apart():
    values, scales = np.arange(6, dtype="int8").reshape(2, 3), np.ones(2, "float32")
    checks = {
        memory_checksum(values, scales),
        memory_checksum(values, scales * 2),
        memory_checksum(values + 1, scales),
        memory_checksum(values, None),
    }
    assert len(checks) == 4
