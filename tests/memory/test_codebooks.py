import numpy as np
import pytest

from glimmer_keras.memory import CorruptStoreError, MemoryStore, ProductQuantizer
from glimmer_keras.memory.codebooks import has_codebooks

SETTINGS = {"hidden_dim": 4, "passage_length": 6, "dtype": "pq:4", "shard_size": 4}


def quantizer_of(rng, dim=4):
    return ProductQuantizer(rng.normal(size=(dim // 2, 256, 2)).astype("float32"))


def test_a_store_keeps_codes_and_gives_centroids(world, tmp_path, rng):
    quantizer = quantizer_of(rng)
    store = world.write(tmp_path / "store", "pq:4", quantizer=quantizer)
    assert (store.dtype, store.read_dtype) == ("pq:4", "bfloat16")
    batch = store.read([["p3", "p1"], ["p1", None]])
    assert batch.scales is None
    for place, row in (((0, 0), 3), ((0, 1), 1), ((1, 0), 1)):
        length = world.lengths[row]
        expected = quantizer.decode(quantizer.encode(world.memory[row]))
        np.testing.assert_array_equal(batch.values[place][:length], expected)
        assert not batch.values[place][length:].any()
    assert not batch.values[1, 1].any()
    # Two bytes a token, of which bfloat16 takes eight.
    assert store._snapshot.arrays["memory"].shape[-1] == 2
    assert store.verify() == []
    store.append(*world.part(11, 13))
    store.delete(["p0"])
    store.compact()
    again = MemoryStore.open(store.path).read(["p3", "p12"])
    np.testing.assert_array_equal(again.values[0], batch.values[0, 0])
    np.testing.assert_array_equal(
        again.values[1, : world.lengths[12]],
        quantizer.decode(quantizer.encode(world.memory[12])),
    )


def test_a_new_store_needs_codebooks_that_fit(world, tmp_path, rng):
    path = tmp_path / "store"
    with pytest.raises(ValueError, match="`quantizer` must be given for a new store of dtype='pq"):
        MemoryStore.create(path, **SETTINGS)
    with pytest.raises(ValueError, match="must have 2 codes for 4 numbers. Received: 3 for 6"):
        MemoryStore.create(path, **SETTINGS, quantizer=quantizer_of(rng, 6))
    assert not has_codebooks(path)
    quantizer = quantizer_of(rng)
    MemoryStore.create(path, **SETTINGS, quantizer=quantizer)
    assert has_codebooks(path)
    MemoryStore.create(path, **SETTINGS)
    MemoryStore.create(path, **SETTINGS, quantizer=quantizer)
    with pytest.raises(ValueError, match="Received: other codebooks"):
        MemoryStore.create(path, **SETTINGS, quantizer=quantizer_of(rng))


def test_damaged_codebooks_are_named(world, tmp_path, rng):
    store = world.write(tmp_path / "store", "pq:4", quantizer=quantizer_of(rng))
    file = tmp_path / "store" / "codebooks"
    content = bytearray(file.read_bytes())
    content[100] ^= 1
    file.write_bytes(content)
    with pytest.raises(CorruptStoreError, match="codebooks is damaged: its SHA-256"):
        MemoryStore.open(store.path)
    assert len(store.verify()) == 1
