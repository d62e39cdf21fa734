import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from glimmer_keras.memory import CorruptStoreError, MemoryStore, StoredPassage
from glimmer_keras.utils.location import Location
from glimmer_keras.utils.manifest import sha256
from tests import dequantized

from .conftest import DIM, LENGTH, SHARD


@pytest.fixture
def store(tmp_path, world):
    return world.write(tmp_path / "s", fingerprint={"weights": "w1", "tokenizer": "t1"})


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int8"])
@pytest.mark.parametrize("path", ["disk", "memory"])
def test_what_is_read_is_what_was_written(tmp_path, world, dtype, path):
    where = tmp_path / "s" if path == "disk" else f"memory://round-{dtype}"
    store = world.write(where, dtype)
    batch = store.read([["p10", "p3", None], ["p3", "", "p0"]])
    expected = world.values([10, 3, -1, 3, -1, 0]).reshape(2, 3, LENGTH, DIM)
    error = {"float32": 0, "bfloat16": 0.02, "int8": 0.02}[dtype]
    np.testing.assert_allclose(dequantized(batch), expected, atol=error, rtol=0)
    assert str(batch.values.dtype) == dtype
    assert (batch.scales is not None) == (dtype == "int8")
    lengths = world.lengths
    assert batch.lengths.tolist() == [[lengths[10], lengths[3], 0], [lengths[3], 0, lengths[0]]]
    assert batch.lengths.dtype == np.int32
    assert batch.mask.sum(-1).tolist() == batch.lengths.tolist()
    assert store.verify() == []
    assert [*store.iter_passages()] == world.passages[:11]


def test_int8_by_hand(tmp_path):
    writer = MemoryStore.create(tmp_path / "s", hidden_dim=2, passage_length=3)
    writer.write_shard(0, np.array([[[2.0, -1.0], [0.0, 0.5]]]), [2], [StoredPassage("a", "", "")])
    writer.complete(1)
    batch = MemoryStore.open(tmp_path / "s").read(["a"])
    assert batch.values.tolist() == [[[127, -64], [0, 127], [0, 0]]]
    np.testing.assert_allclose(batch.scales, [[2 / 127, 0.5 / 127, 0]], rtol=1e-6)


def test_of_several_lengths_the_least_is_taken_that_cuts_none(tmp_path):
    writer = MemoryStore.create(tmp_path / "s", hidden_dim=1, passage_length=6)
    passages = [StoredPassage(i, "", "") for i in "abc"]
    writer.write_shard(0, np.ones((3, 6, 1)), [2, 3, 6], passages)
    writer.complete(1)
    store = MemoryStore.open(tmp_path / "s")
    shapes = {ids: store.read(list(ids), (2, 4, 6)).values.shape for ids in ("a", "ab", "cab", "")}
    assert shapes == {"a": (1, 2, 1), "ab": (2, 4, 1), "cab": (3, 6, 1), "": (0, 2, 1)}
    assert store.read(["c"], (2, 4)).lengths.tolist() == [4]
    with pytest.raises(
        ValueError, match=r"`length` must be at least 1\. Received: length=\(0, 4\)"
    ):
        store.read(["a"], (0, 4))


def test_passages_at_their_places(store, world):
    store.append(*world.part(20, 23))
    store.delete(["p0", "p10", "p20"])
    passages = list(store.iter_passages())
    assert store.passages_at(np.arange(len(store))) == passages
    assert [p.id for p in store.passages_at([10, 8, 8])] == ["p22", "p9", "p9"]
    with pytest.raises(ValueError, match="`places` must be from 0 to 10. Received: -1 to 11"):
        store.passages_at([3, -1, 11])


def test_the_revision_changes_with_the_passages(tmp_path, world):
    store, copy = world.write(tmp_path / "s"), world.write(tmp_path / "copy")
    first = store.revision
    assert copy.revision == MemoryStore.open(tmp_path / "s").revision == first
    other = [StoredPassage("q", "Title 0", world.passages[0].text), *world.passages[1:]]
    assert replace(world, passages=other).write(tmp_path / "other").revision != first
    store.delete(["p1"])
    second = store.revision
    store.append(*world.part(20, 21))
    assert len({first, second, store.revision}) == 3


@pytest.mark.parametrize("length", [1, 4, LENGTH, LENGTH + 3])
def test_length_cuts_and_pads(tmp_path, world, length):
    store = world.write(tmp_path / "s", "int8")
    batch = store.read(["p1", None, "p2", "p1"], length=length)
    assert batch.values.shape == (4, length, DIM)
    assert batch.scales.shape == (4, length)
    expected = world.values([1, -1, 2, 1], length)
    np.testing.assert_allclose(dequantized(batch), expected, atol=0.02)
    sizes = np.minimum(world.lengths[[1, 2, 1]], length)
    assert batch.lengths.tolist() == [sizes[0], 0, sizes[1], sizes[2]]


def test_shapes_of_ids(store):
    shape = (LENGTH, DIM)
    assert store.read([]).values.shape == (0, *shape)
    assert store.read([[], []]).values.shape == (2, 0, *shape)
    assert store.read("p1").values.shape == shape
    assert store.read([None, ""]).lengths.tolist() == [0, 0]
    assert store.read(np.array([["p1"], ["p2"]])).values.shape == (2, 1, *shape)
    with pytest.raises(ValueError, match=r"same shape in all parts\. Received: shapes"):
        store.read([["p1", "p2"], ["p3"]])
    with pytest.raises(ValueError, match=r"`ids` must be strings, nested in sequences\. .*7"):
        store.read([7])
    with pytest.raises(ValueError, match=r"`length` must be at least 1\. Received: length=0"):
        store.read(["p1"], length=0)


def test_reading_from_several_threads_and_cached(tmp_path, world):
    world.write(tmp_path / "s")
    store = MemoryStore.open(tmp_path / "s", cache_bytes=2**20)
    with ThreadPoolExecutor(4) as pool:
        batches = pool.map(lambda row: store.read([f"p{row}", "p0"], length=5), range(8))
        for row, batch in enumerate(batches):
            np.testing.assert_array_equal(batch.values, world.values([row, 0], 5))
    np.testing.assert_array_equal(store.read(["p3"]).values, world.values([3]))
    with pytest.raises(ValueError, match=r"Received: 'x'"):
        store.read(["x"])
    with pytest.raises(ValueError, match=r"`cache_bytes` must be at least 0"):
        MemoryStore.open(tmp_path / "s", cache_bytes=-1)


def test_passages_and_info(store, world, files):
    assert store.passages(["p4", "p0", "p4"]) == [world.passages[i] for i in (4, 0, 4)]
    info = store.info()
    size = sum(len(content) for content in files(Path(store.path)).values())
    tokens = int(world.lengths[:11].sum())
    assert info["bytes"] == size
    assert info["bytes_per_token_and_dim"] == size / tokens / DIM
    assert (info["passages"], info["tokens"], info["commits"], info["deleted"]) == (
        11,
        tokens,
        [11],
        0,
    )
    assert info["fingerprint"] == {"weights": "w1", "tokenizer": "t1"}
    json.dumps(info)
    assert (len(store), store.passage_length, store.hidden_dim, store.dtype) == (
        11,
        LENGTH,
        DIM,
        "float32",
    )
    assert repr(store).endswith("float32 of shape (11, 6, 4))")


def test_unknown_ids(store):
    with pytest.raises(ValueError, match=r"must be ids of passages in .*Received: 'x'$"):
        store.read([["p1", "x"]])
    with pytest.raises(ValueError, match=r"Received: 'a', 'b', 'c' and 1 more$"):
        store.passages(["a", "b", "p1", "c", "d"])
    for method in (store.passages, store.delete, store.contains):
        with pytest.raises(TypeError, match=r"`ids` must be a sequence of strings"):
            method("p1")


def test_another_model(store):
    MemoryStore.open(store.path, {"weights": "w1", "tokenizer": "t1"})
    with pytest.raises(
        ValueError, match=r"must be made with weights='w2', x='1'\. Received: weights='w1', x=None$"
    ):
        MemoryStore.open(store.path, {"weights": "w2", "tokenizer": "t1", "x": "1"})


def test_not_a_complete_store(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"`path` must be a complete store, .*manifest"):
        MemoryStore.open(tmp_path / "none")
    MemoryStore.create(tmp_path / "s", hidden_dim=2, passage_length=2)
    with pytest.raises(FileNotFoundError, match=r"`path` must be a complete store"):
        MemoryStore.open(tmp_path / "s")


def test_a_later_version(store):
    path = Path(store.path) / "manifest.json"
    content = json.loads(path.read_text())
    del content["sha256"]
    content["format_version"] = 9
    content["sha256"] = sha256(json.dumps(content, sort_keys=True).encode())
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"manifest\.json: `format_version` must be 1\. .*: 9"):
        MemoryStore.open(store.path)


def test_append_while_another_reads(store, world):
    reader = MemoryStore.open(store.path)
    store.append(*world.part(11, 20))
    assert (len(store), len(reader)) == (20, 11)
    every = [f"p{i}" for i in range(20)]
    np.testing.assert_array_equal(store.read(every).values, world.values(range(20)))
    np.testing.assert_array_equal(reader.read(every[:11]).values, world.values(range(11)))
    with pytest.raises(ValueError, match=r"Received: 'p11'"):
        reader.read(["p11"])
    reader = MemoryStore.open(store.path)
    np.testing.assert_array_equal(reader.read(every).values, world.values(range(20)))
    assert reader.info()["commits"] == [11, 9]
    assert [*reader.iter_passages()] == world.passages[:20]
    assert reader.verify() == []


def test_append_refuses_what_is_there(store, world, files):
    with pytest.raises(ValueError, match=r"distinct ids\. Received: id='p10' in rows 10 and 12"):
        store.append(*world.part(10, 13))
    with pytest.raises(ValueError, match=r"`memory` must hold at least one passage"):
        store.append([], [], [])
    assert len(MemoryStore.open(store.path)) == 11
    store.append(*world.part(11, 13))
    assert store.verify() == []


def test_appended_twice_at_the_same_time(store, world):
    one, other = store.appender(), store.appender()
    one.write_shard(0, *world.part(11, 13))
    one.complete(1)
    with pytest.raises(ValueError, match=r"changed by another writer"):
        other.write_shard(0, *world.part(13, 15))
    with pytest.raises(ValueError, match=r"changed by another writer"):
        other.complete(1)
    assert [p.id for p in MemoryStore.open(store.path).passages(["p11", "p12"])] == ["p11", "p12"]


def test_delete(store, world):
    reader = MemoryStore.open(store.path)
    store.delete(["p3", "p4", "p3", "p10"])
    assert (len(store), store.info()["deleted"]) == (8, 3)
    with pytest.raises(ValueError, match=r"Received: 'p3', 'p10'$"):
        store.read(["p3", "p5", "p10"])
    with pytest.raises(ValueError, match=r"Received: 'p4'"):
        store.delete(["p5", "p4"])
    np.testing.assert_array_equal(reader.read(["p3"]).values, world.values([3]))
    assert [p.id for p in store.iter_passages()] == [f"p{i}" for i in (0, 1, 2, 5, 6, 7, 8, 9)]
    assert store.contains(["p3", "p5", "x", "p2"]).tolist() == [False, True, False, True]
    assert store.contains([]).tolist() == []
    # An id that was deleted may come again, with other memory.
    store.append([world.memory[20]], world.lengths[20:21], [world.passages[3]])
    again = MemoryStore.open(store.path)
    np.testing.assert_array_equal(again.read(["p3", "p5"]).values, world.values([20, 5]))
    assert again.verify() == []
    again.delete(["p3"])
    with pytest.raises(ValueError, match=r"Received: 'p3'"):
        again.read(["p3"])


def test_missing_and_truncated_shards(store):
    shard = Path(store.path) / "memory/c/1/0/0"
    content = shard.read_bytes()
    shard.unlink()
    with pytest.raises(CorruptStoreError, match=r"the memory of passage 'p5' \(row 5\) is damaged"):
        store.read(["p0", "p5"])
    for size in (0, 10, len(content) - 1):
        shard.write_bytes(content[:size])
        with pytest.raises(CorruptStoreError, match=r"passage 'p5' .*memory/c/1/0/0"):
            store.read(["p5"])
    assert store.read(["p0"]).lengths[0] > 0
    found = store.verify()
    assert len(found) == SHARD
    assert all("memory/c/1/0/0, passage 'p" in line for line in found)


def test_a_missing_array(store):
    os.remove(Path(store.path) / "records/zarr.json")
    with pytest.raises(CorruptStoreError, match=r"records/zarr\.json is damaged.*no such file"):
        MemoryStore.open(store.path)


def test_importing_the_package_does_not_import_tensorstore():
    code = (
        "import sys, types; p = types.ModuleType('glimmer_keras'); "
        "p.__path__ = ['glimmer_keras']; sys.modules['glimmer_keras'] = p; "
        "import glimmer_keras.memory; sys.exit('tensorstore' in sys.modules)"
    )
    root = Path(__file__).resolve().parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0


def test_changes_wait_for_another_writer(world, tmp_path, monkeypatch):
    store = world.write(tmp_path / "store")
    monkeypatch.setattr("glimmer_keras.memory.memory_store.SECONDS_WAITED", 0.1)
    with Location(store.path).alone():
        for change in (
            lambda: store.delete(["p1"]),
            lambda: store.append(*world.part(11, 12)),
            lambda: store.compact(),
        ):
            with pytest.raises(FileExistsError, match="in use by another writer"):
                change()
    assert len(MemoryStore.open(store.path)) == 11
    store.delete(["p1"])
    assert len(store) == 10
