import json

import numpy as np
import pytest

from glimmer_keras.memory import CorruptStoreError
from glimmer_keras.memory.manifest import Commit, Manifest, Settings
from glimmer_keras.utils.manifest import differences, sha256

SETTINGS = Settings(4, 6, "int8", 4, {"weights": "w1"})
COMMITS = (Commit(0, 11, 30, 0, 1), Commit(12, 2, 5, 64, 1))
MANIFEST = Manifest(SETTINGS, COMMITS, ((1, 2),), {"memory/zarr.json": "ab"})


def test_there_and_back():
    encoded = MANIFEST.encode()
    assert Manifest.decode(encoded, "m") == MANIFEST
    assert Manifest.decode(encoded, "m").encode() == encoded
    assert (MANIFEST.rows, MANIFEST.num_deleted) == (13, 2)
    assert json.loads(encoded)["passages"] == 11


def test_every_flipped_byte_is_noticed_or_harmless():
    encoded, reported = MANIFEST.encode(), []
    for place in range(len(encoded)):
        changed = bytearray(encoded)
        changed[place] ^= 1 << (place % 8)
        try:
            assert Manifest.decode(bytes(changed), "m") == MANIFEST
        except CorruptStoreError as error:
            reported.append(str(error))
    assert len(reported) > 0.8 * len(encoded)
    assert all(line.startswith("m is damaged: ") for line in reported)


def test_a_later_version():
    content = json.loads(MANIFEST.encode())
    content["format_version"] = 2
    del content["sha256"]
    content["sha256"] = sha256(json.dumps(content, sort_keys=True).encode())
    with pytest.raises(ValueError, match=r"^m: `format_version` must be 1\. Received: 2") as error:
        Manifest.decode(json.dumps(content).encode(), "m")
    assert not isinstance(error.value, CorruptStoreError)


def test_shards_of_commits():
    assert [MANIFEST.shards(commit) for commit in COMMITS] == [range(0, 3), range(3, 4)]


def test_deleted_ranges_join():
    manifest = MANIFEST.with_deleted(np.array([5, 3, 5, 12]))
    assert manifest.deleted == ((1, 3), (5, 1), (12, 1))
    rows = np.array([-1, 0, 1, 2, 3, 4, 5, 6, 12, 13])
    assert rows[manifest.is_deleted(rows)].tolist() == [1, 2, 3, 5, 12]
    none = Manifest(SETTINGS, COMMITS, (), {})
    assert not none.is_deleted(rows).any()
    assert none.with_deleted(np.array([], "int64")).deleted == ()


@pytest.mark.parametrize("deleted", [(), ((0, 1),), ((1, 2), (5, 1), (13, 1)), ((0, 11),)])
def test_rows_at_places(deleted):
    manifest = Manifest(SETTINGS, COMMITS, deleted, {})
    rows = np.array([*range(11), 12, 13])
    alive = rows[~manifest.is_deleted(rows)]
    np.testing.assert_array_equal(manifest.rows_at(np.arange(len(alive))), alive)


def test_rows_at_places_when_a_deleted_range_spans_two_commits():
    commits = (Commit(0, 4, 9, 0, 1), Commit(4, 4, 9, 64, 1))
    manifest = Manifest(SETTINGS, commits, ((3, 2),), {})
    assert manifest.rows_at(np.arange(6)).tolist() == [0, 1, 2, 5, 6, 7]


def test_differences():
    assert differences({"a": "1"}, {"a": "1"}) == ""
    expected = "b='2', c=None. Received: b='3', c='4'"
    assert differences({"a": "1", "b": "2"}, {"a": "1", "b": "3", "c": "4"}) == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hidden_dim": 0}, r"`hidden_dim` must be an integer of at least 1\. Received: .*=0"),
        ({"passage_length": 1.5}, r"`passage_length` must be an integer"),
        ({"shard_size": True}, r"`shard_size` must be an integer"),
        ({"dtype": "float16"}, r"`dtype` must be one of .*Received: dtype='float16'"),
        ({"fingerprint": {"a": 1}}, r"`fingerprint` must map strings to strings"),
    ],
)
def test_settings_check_themselves(options, message):
    with pytest.raises(ValueError, match=message):
        Settings(**{"hidden_dim": 4, "passage_length": 6, **options})
