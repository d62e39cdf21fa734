import numpy as np
import pytest

from glimmer_keras.memory import CorruptStoreError, MemoryStore
from glimmer_keras.utils.location import LOCK


@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_flipped_bytes_are_harmless_or_reported(tmp_path, world, dtype):
    store = world.write(tmp_path / "s", dtype)
    store.append(*world.part(11, 15))
    store.delete(["p2"])
    ids = [f"p{i}" for i in range(15) if i != 2]
    good = store.read(ids)
    passages = [world.passages[i] for i in range(15) if i != 2]
    files = sorted(p for p in (tmp_path / "s").rglob("*") if p.is_file() and p.name != LOCK)
    rng = np.random.default_rng(0)
    reported = []
    for flip in range(120):
        path = files[flip % len(files)]
        content = path.read_bytes()
        changed = bytearray(content)
        changed[rng.integers(len(content))] ^= 1 << rng.integers(8)
        path.write_bytes(changed)
        try:
            opened = MemoryStore.open(tmp_path / "s")
            batch = opened.read(ids)
            np.testing.assert_array_equal(batch.values, good.values)
            np.testing.assert_array_equal(batch.lengths, good.lengths)
            if dtype == "int8":
                np.testing.assert_array_equal(batch.scales, good.scales)
            assert opened.passages(ids) == passages
            # Not read above: rows and entries that are not asked for. Verifying reads them.
            opened.verify()
        except CorruptStoreError as error:
            reported.append(str(error))
        path.write_bytes(content)
    assert len(reported) > 80
    assert [line for line in reported if "\n" in line or str(tmp_path / "s") not in line] == []
    assert MemoryStore.open(tmp_path / "s").verify() == []


def test_it_is_a_value_error():
    assert issubclass(CorruptStoreError, ValueError)
