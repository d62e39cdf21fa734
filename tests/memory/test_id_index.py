import numpy as np
import pytest

from glimmer_keras.memory import id_index
from glimmer_keras.memory.arrays import IDS, open_array
from glimmer_keras.memory.manifest import Commit, Settings
from glimmer_keras.memory.records import COLUMNS, HASH, LENGTH, hash_ids
from glimmer_keras.utils.location import Location


@pytest.fixture
def array(tmp_path):
    return open_array(Location(tmp_path), Settings(4, 6), IDS, create=True)


def records_of(ids):
    records = np.zeros((len(ids), COLUMNS), "uint64")
    records[:, HASH] = hash_ids(ids)
    records[:, LENGTH] = np.arange(len(ids)) % 5 + 1
    return records


def none(hashes):
    return np.full(len(hashes), -1)


def test_bucket_by_hand():
    hashes = np.array([[0, 9], [2**63, 0], [2**64 - 1, 0], [2**62 - 1, 0]], "uint64")
    assert id_index.bucket_of(hashes, 4).tolist() == [0, 2, 3, 0]
    assert id_index.bucket_of(hashes, 1).tolist() == [0, 0, 0, 0]
    big = 2**31 - 1
    expected = [int(h) * big >> 64 for h in hashes[:, 0]]
    assert id_index.bucket_of(hashes, big).tolist() == expected


@pytest.mark.parametrize("entries_in_pass", [1, 2**22])
def test_finds_what_was_built(array, monkeypatch, entries_in_pass):
    monkeypatch.setattr(id_index, "ENTRIES_IN_PASS", entries_in_pass)
    monkeypatch.setattr(id_index, "QUERIES_IN_BLOCK", 1000)
    ids = [f"id {i}" for i in range(20_000)]
    commit = Commit(100, len(ids), 0, 64, id_index.num_buckets(len(ids)))
    assert commit.buckets == 125
    records = records_of(ids)
    parts = [(100, records[:12_000]), (12_100, records[12_000:])]
    id_index.build(array, commit, lambda: parts, none)
    rows, lengths = id_index.find(array, commit, hash_ids([*ids[::-1][:2500], "else"]))
    assert rows.tolist() == [*range(20_099, 17_599, -1), -1]
    np.testing.assert_array_equal(lengths[:-1], records[::-1][:2500, LENGTH])


def test_ids_with_half_of_the_hash_in_common_are_told_apart(array):
    records = records_of(["a", "b", "c"])
    records[:, 0] = records[0, 0]
    commit = Commit(0, 3, 0, 0, 1)
    id_index.build(array, commit, lambda: [(0, records)], none)
    hashes = records[[2, 0, 1], HASH]
    other = hashes[:1] + np.array([[0, 1]], "uint64")
    rows, lengths = id_index.find(array, commit, np.concatenate([hashes, other]))
    assert rows.tolist() == [2, 0, 1, -1]
    assert lengths.tolist() == [3, 1, 2, 0]


def test_duplicates(array):
    commit = Commit(0, 4, 0, 0, 1)
    parts = [(0, records_of(["a", "b"])), (2, records_of(["c", "a"]))]
    with pytest.raises(id_index.DuplicateRowsError) as error:
        id_index.build(array, commit, lambda: parts, none)
    assert error.value.rows == (0, 3)
    parts = [(8, records_of(["a", "b"]))]
    known = hash_ids(["b"])[0]
    with pytest.raises(id_index.DuplicateRowsError) as error:
        id_index.build(
            array,
            Commit(8, 2, 0, 64, 1),
            lambda: parts,
            lambda hashes: np.where((hashes == known).all(-1), 5, -1),
        )
    assert error.value.rows == (5, 9)


def test_a_bucket_that_overflows(array):
    ids = [f"id {i}" for i in range(400)]
    with pytest.raises(RuntimeError, match=r"more than 320 ids share a bucket"):
        id_index.build(array, Commit(0, 400, 0, 0, 1), lambda: [(0, records_of(ids))], none)
