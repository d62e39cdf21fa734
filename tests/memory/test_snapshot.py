import numpy as np
import pytest

from glimmer_keras.memory import CorruptStoreError
from glimmer_keras.memory.records import hash_ids
from glimmer_keras.memory.snapshot import Snapshot
from glimmer_keras.utils.location import Location


@pytest.fixture
def snapshot(tmp_path, world):
    world.write(tmp_path / "s").append(*world.part(11, 15))
    return Snapshot(Location(tmp_path / "s"))


def test_rows_leave_out_what_does_not_exist(snapshot, world):
    rows, lengths = snapshot.find(hash_ids(["p14", "x", "p0", "p11"]))
    assert rows.tolist() == [15, -1, 0, 12]
    assert lengths.tolist() == [world.lengths[14], 0, world.lengths[0], world.lengths[11]]


def test_passages(snapshot, world):
    assert snapshot.passages(np.array([12, 0])) == [world.passages[11], world.passages[0]]
    assert snapshot.passages(np.array([], "int64")) == []
    assert snapshot.describe(12) == "passage 'p11' (row 12)"
    assert snapshot.describe(11) == "row 11"


def test_text_of_another_shard(snapshot, tmp_path):
    text = tmp_path / "s/text/c"
    (text / "0/0").write_bytes((text / "1/0").read_bytes())
    with pytest.raises(CorruptStoreError, match=r"text/c/0/0, row 0 is damaged"):
        snapshot.passages(np.array([0]))
