import re
import shutil

import pytest

from glimmer_keras.memory import MemoryStore


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("memory/c/0/0/0", r"passage 'p1' \(row 1\) is damaged"),
        ("scales/c/0/0", r"scales/c/0/0, passage 'p1' \(row 1\) is damaged"),
        ("text/c/0/0", r"text/c/0/0, row 1 is damaged"),
        ("records/c/0/0", r"records/c/0/0 is damaged"),
        ("ids/c/0/0/0", r"ids/c/0/0/0 is damaged"),
        ("text/zarr.json", r"text/zarr\.json is damaged: its SHA-256 must be"),
        ("zarr.json", r"/zarr\.json is damaged: its SHA-256 must be"),
    ],
)
def test_names_what_is_damaged(tmp_path, world, name, message):
    store = world.write(tmp_path / "s", "int8")
    store = MemoryStore.open(tmp_path / "s")
    path = tmp_path / "s" / name
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    found = "\n".join(store.verify())
    assert re.search(message, found)


def test_shards_that_changed_places(tmp_path, world):
    store = world.write(tmp_path / "s", "float32")
    memory = tmp_path / "s/memory/c"
    shutil.move(memory / "0", memory / "x")
    shutil.move(memory / "1", memory / "0")
    shutil.move(memory / "x", memory / "1")
    found = store.verify()
    assert len(found) == 8
    assert all("it is another's" in line for line in found)


def test_progress(tmp_path, world):
    store = world.write(tmp_path / "s")
    store.append(*world.part(11, 13))
    calls = []
    assert store.verify(lambda *seen: calls.append(seen)) == []
    assert calls == [(4, 13), (8, 13), (11, 13), (13, 13)]
