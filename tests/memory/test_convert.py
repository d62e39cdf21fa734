from types import SimpleNamespace

import numpy as np
import pytest

from glimmer_keras.memory import MemoryStore, ProductQuantizer, convert
from glimmer_keras.memory.store_writer import StoreWriter


@pytest.fixture
def learned(monkeypatch, rng):
    """Codebooks as if they were learned."""
    quantizer = ProductQuantizer(rng.normal(size=(2, 256, 2)).astype("float32"))
    taken = []

    def learn(vectors, parts):
        taken.append(vectors)
        return quantizer

    module = SimpleNamespace(learn=learn)
    monkeypatch.setattr(convert, "ProductQuantizer", module)
    return quantizer, taken


def test_the_same_passages_in_another_type(world, tmp_path, learned):
    store = world.write(tmp_path / "store", "int8", fingerprint={"a": "b"})
    store.delete(["p4"])
    left = [passage.id for passage in store.iter_passages()]
    seen = []
    wide = store.convert(
        tmp_path / "wide", "float32", progress=lambda done, total: seen.append((done, total))
    )
    assert seen == [(4, 10), (8, 10), (10, 10)]
    assert list(wide.iter_passages()) == list(store.iter_passages())
    assert wide.fingerprint == {"a": "b"}
    ours, theirs = wide.read(left), store.read(left)
    expected = theirs.values * theirs.scales[..., None]
    np.testing.assert_array_equal(ours.values, expected)
    small = wide.convert(tmp_path / "small", "pq:4", shard_size=5)
    quantizer, [taken] = learned
    np.testing.assert_array_equal(taken, expected[ours.mask])
    codes = quantizer.decode(quantizer.encode(expected[ours.mask]))
    np.testing.assert_array_equal(small.read(left).values[ours.mask], codes)
    assert small.verify() == []
    assert small.info()["shard_size"] == 5


def test_killed_it_goes_on_with_the_codebooks_it_has(world, tmp_path, learned, monkeypatch, files):
    store = world.write(tmp_path / "store")
    whole = store.convert(tmp_path / "whole", "pq:4")
    write, calls = StoreWriter.write, []

    def killed(self, *arguments):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        write(self, *arguments)

    with monkeypatch.context() as patched:
        patched.setattr(StoreWriter, "write", killed)
        with pytest.raises(KeyboardInterrupt):
            store.convert(tmp_path / "again", "pq:4")
    with pytest.raises(FileNotFoundError):
        MemoryStore.open(tmp_path / "again")
    store.convert(tmp_path / "again", "pq:4")
    assert len(learned[1]) == 2
    assert files(tmp_path / "again") == files(tmp_path / "whole")
    with pytest.raises(FileExistsError):
        store.convert(whole.path, "pq:4")


def test_a_type_that_does_not_fit_is_refused_before_any_work(world, tmp_path, learned):
    store = world.write(tmp_path / "store")
    with pytest.raises(ValueError, match="`dtype` must divide the memory's width in parts of 8"):
        store.convert(tmp_path / "new", "pq:16")
    with pytest.raises(ValueError, match="`dtype` must be one of .* Received: dtype='pq:5'"):
        store.convert(tmp_path / "new", "pq:5")
    store.delete([passage.id for passage in store.iter_passages()])
    with pytest.raises(ValueError, match="must hold passages to convert. Received: none in"):
        store.convert(tmp_path / "new", "pq:4")
    assert not (tmp_path / "new").exists()
    assert not learned[1]
