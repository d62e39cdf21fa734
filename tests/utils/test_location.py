import os

import pytest

from glimmer_keras.memory import CorruptStoreError
from glimmer_keras.utils.location import ABSENT, Location, read_error


@pytest.mark.parametrize("kind", ["path", "file", "memory"])
def test_files(tmp_path, kind):
    path = {"path": tmp_path / "s", "file": f"file://{tmp_path}/s/", "memory": "memory://files"}
    location = Location(path[kind])
    assert location.read("a") == (None, ABSENT)
    assert not location.exists("a")
    assert location.write("a", b"1", if_generation=ABSENT)
    assert not location.write("a", b"2", if_generation=ABSENT)
    content, generation = Location(path[kind]).read("a")
    assert content == b"1"
    assert location.exists("a")
    assert location.write("a", b"3", if_generation=generation)
    assert not location.write("a", b"4", if_generation=generation)
    assert location.read("a")[0] == b"3"
    for key in ("d/c/1", "d/c/0/0", "e/c/0"):
        location.write(key, b"x")
    assert location.keys("d/c/") == ["d/c/0/0", "d/c/1"]
    assert len(location.keys("")) == 4
    location.delete("a")
    location.delete("a")
    assert not location.exists("a")
    assert location.num_bytes() == (None if kind == "memory" else 3)
    assert location.name("a").endswith("/a")


def test_unfinished_files_are_removed(tmp_path):
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "0.__lock").write_bytes(b"x")
    (tmp_path / "c" / "0").write_bytes(b"x")
    Location(tmp_path).remove_unfinished()
    assert [path.name for path in (tmp_path / "c").iterdir()] == ["0"]
    Location("memory://unfinished").remove_unfinished()


def test_errors(tmp_path):
    with pytest.raises(ValueError, match=r"`path` must be a local path or a URL.*path='nope://x'"):
        Location("nope://x")
    with pytest.raises(ValueError, match=r"Received: path=''"):
        Location("")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError, match=r"file/a cannot be written: "):
        Location(tmp_path / "file").write("a", b"1")
    assert isinstance(read_error("f", ValueError("DATA_LOSS: x")), CorruptStoreError)
    error = read_error("f", ValueError("UNAVAILABLE: x"))
    assert isinstance(error, OSError)
    assert str(error) == "f cannot be read: UNAVAILABLE: x"


def test_one_writer_at_a_time(tmp_path):
    with Location(tmp_path / "store").alone():
        holder = f"held by process {os.getpid()} on "
        with pytest.raises(FileExistsError, match=holder), Location(tmp_path / "store").alone():
            pass
        with Location(tmp_path / "other").alone():
            pass
    with Location(tmp_path / "store").alone():
        pass
    with Location("memory://store").alone(), Location("memory://store").alone():
        pass
