from pathlib import Path

import numpy as np
import pytest

from glimmer_keras.memory import CorruptStoreError, MemoryStore
from glimmer_keras.memory.store_writer import StoreWriter


@pytest.fixture(params=["int8", "float32"])
def store(request, world, tmp_path):
    return world.write(tmp_path / "store", request.param)


def files_of(store, name):
    return sorted(key for key in store._location.keys(f"{name}/c/"))


def test_what_is_left_is_as_it_was(store, world):
    gone = ["p0", "p3", "p4", "p5", "p6", "p7", "p10"]
    store.delete(gone)
    left = [passage.id for passage in store.iter_passages()]
    expected = store.read(left)
    passages = list(store.iter_passages())
    seen = []
    store.compact(lambda done, total: seen.append((done, total)))
    assert seen == [(4, 4)]
    for again in (store, MemoryStore.open(store.path)):
        assert list(again.iter_passages()) == passages
        assert again.passages_at([1]) == passages[1:2]
        found = again.read(left)
        np.testing.assert_array_equal(found.values, expected.values)
        if expected.scales is not None:
            np.testing.assert_array_equal(found.scales, expected.scales)
        assert not again.contains(gone).any()
        assert again.verify() == []
        assert (len(again), again.info()["deleted"]) == (4, 0)
    for name in ("memory", "text", "records", "ids"):
        assert len(files_of(store, name)) == 1
    store.append(*world.part(11, 15))
    store.delete(["p1"])
    store.compact()
    assert [p.id for p in store.iter_passages()] == [*left[1:], "p11", "p12", "p13", "p14"]
    assert store.verify() == []


def test_without_deleted_passages_all_stays(store, files):
    before = files(Path(store.path))
    store.compact()
    assert files(Path(store.path)) == before


def test_all_passages_may_be_deleted(store, world):
    store.delete([f"p{n}" for n in range(11)])
    store.compact()
    assert (len(store), list(store.iter_passages()), store.verify()) == (0, [], [])
    assert files_of(store, "memory") == []
    store.append(*world.part(2, 4))
    assert [p.id for p in store.iter_passages()] == ["p2", "p3"]


def test_killed_at_any_place_it_goes_on(store, world, monkeypatch):
    store.delete(["p2", "p5"])
    left = list(store.iter_passages())
    for name in ("write", "complete", "remove_unused"):
        whole = getattr(StoreWriter, name)
        calls = []

        def killed(self, *arguments, whole=whole, calls=calls):
            calls.append(1)
            if len(calls) == 2 or whole.__name__ != "write":
                raise KeyboardInterrupt
            return whole(self, *arguments)

        with monkeypatch.context() as patched:
            patched.setattr(StoreWriter, name, killed)
            with pytest.raises(KeyboardInterrupt):
                store.compact()
        again = MemoryStore.open(store.path)
        assert list(again.iter_passages()) == left
        assert again.verify() == []
    store.compact()
    assert list(store.iter_passages()) == left
    assert len(files_of(store, "memory")) == 3


def test_who_had_it_open_is_told(store):
    other = MemoryStore.open(store.path)
    store.delete(["p0"])
    store.compact()
    for read in (lambda: other.read(["p1"]), lambda: other.passages(["p1"])):
        with pytest.raises(ValueError, match="was compacted or replaced .* open it again"):
            read()


def test_damaged_memory_is_not_copied(store):
    store.delete(["p0"])
    [key] = [key for key in files_of(store, "memory") if key.startswith("memory/c/0/")]
    content, _ = store._location.read(key)
    place = len(content) // 2
    store._location.write(key, content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
    with pytest.raises(CorruptStoreError, match="memory is damaged|is damaged: it is another's"):
        store.compact()
    assert len(MemoryStore.open(store.path)) == 10


def test_replaced_passages(store, world):
    memory, lengths, passages = world.part(20, 22)
    passages = [type(p)(i, p.title, p.text) for p, i in zip(passages, ("p4", "p30"), strict=True)]
    with pytest.raises(ValueError, match="distinct ids. Received: id='p4'"):
        store.append(memory, lengths, passages)
    before = MemoryStore.open(store.path)
    [old] = before.passages(["p4"])
    store.append(memory, lengths, passages, replace=True)
    assert store.passages(["p4", "p30"]) == passages
    assert before.passages(["p4"]) == [old]
    assert (len(store), store.info()["deleted"]) == (12, 1)
    assert [p.id for p in store.iter_passages()] == [
        *(f"p{n}" for n in range(11) if n != 4),
        *("p4", "p30"),
    ]
    found = store.read(["p4"], length=6).values.astype("float32")
    if store.dtype == "float32":
        np.testing.assert_array_equal(found, world.values([20]))
    store.delete(["p4"])
    assert not store.contains(["p4"]).any()
