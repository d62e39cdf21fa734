import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from glimmer_keras.memory import MemoryStore, StoredPassage

from .conftest import DIM, LENGTH, SHARD

ROOT = Path(__file__).resolve().parents[2]
# A worker that imports the store alone, not Keras.
LIGHT = """
import sys, types
package = types.ModuleType("glimmer_keras")
package.__path__ = ["glimmer_keras"]
sys.modules["glimmer_keras"] = package
import numpy as np
from glimmer_keras.memory import MemoryStore, StoredPassage

def shard(number):
    rng = np.random.default_rng(number)
    memory = rng.standard_normal((16, 8, 32)).astype("float32")
    rows = range(16 * number, 16 * number + 16)
    passages = [StoredPassage(f"p{row}", "", "words " * 50) for row in rows]
    return memory, rng.integers(1, 9, 16), passages

def build(path, numbers, shards=12):
    writer = MemoryStore.create(path, hidden_dim=32, passage_length=8, shard_size=16)
    for number in numbers:
        if not writer.done(number, shard(number)[2]):
            writer.write_shard(number, *shard(number))
    return writer
"""


def run(code, *arguments, **options):
    command = [sys.executable, "-W", "error", "-c", LIGHT + code, *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, **options)


def create(path, **options):
    settings = {"hidden_dim": DIM, "passage_length": LENGTH, "shard_size": SHARD, **options}
    return MemoryStore.create(path, **settings)


def test_two_writers_and_any_order_give_the_same_files(tmp_path, world, files):
    world.write(tmp_path / "one", "int8")
    writers = [create(tmp_path / "two"), create(tmp_path / "two")]
    for number in (2, 0, 1):
        world.write_shard(writers[number % 2], number)
    writers[1].complete(3)
    assert files(tmp_path / "one") == files(tmp_path / "two")


def test_resumed_after_part_of_a_shard(tmp_path, world, files):
    world.write(tmp_path / "one", "int8")
    writer = create(tmp_path / "two")
    world.write_shard(writer, 0)
    # Shard 1 lacks what is written last, and of shard 2 a piece with other content is there.
    world.write_shard(writer, 1)
    (tmp_path / "two/records/c/1/0").unlink()
    writer.write_shard(2, *world.part(20, 24))
    (tmp_path / "two/records/c/2/0").unlink()
    writer.write_shard(3, *world.part(30, 31))
    (tmp_path / "two/memory/c/1/0/0.__lock").write_bytes(b"left by a killed writer")
    writer = create(tmp_path / "two")
    assert [writer.done(number) for number in range(5)] == [True, False, False, True, False]
    for number in (1, 2):
        world.write_shard(writer, number)
    writer.complete(3)
    assert files(tmp_path / "one") == files(tmp_path / "two")


def test_done_with_these_passages(tmp_path, world):
    writer = create(tmp_path / "s")
    world.write_shard(writer, 0)
    passages = world.passages
    assert writer.done(0, passages[:4])
    assert not writer.done(0, passages[:3])
    assert not writer.done(0, passages[1:5])
    other = StoredPassage("p3", passages[3].title, passages[3].text.replace("Text", "text"))
    assert not writer.done(0, [*passages[:3], other])
    assert not writer.done(1, passages[4:8])


@pytest.mark.parametrize("name", ["memory/c/0/0/0", "scales/c/0/0", "text/c/0/0", "records/c/0/0"])
def test_not_done_without_one_of_its_files(tmp_path, world, name):
    writer = create(tmp_path / "s")
    world.write_shard(writer, 0)
    assert writer.done(0)
    (tmp_path / "s" / name).unlink()
    assert not writer.done(0)
    with pytest.raises(ValueError, match=r"num_shards=1, and shard 0 is not written"):
        writer.complete(1)


def test_complete_refuses(tmp_path, world):
    writer = create(tmp_path / "s")
    writer.write_shard(0, *world.part(0, 3))
    writer.write_shard(1, *world.part(2, 4))
    with pytest.raises(ValueError, match=r"`num_shards` must be at least 1\. Received: .*=0"):
        writer.complete(0)
    with pytest.raises(ValueError, match=r"shard_size=4 passages\. Received: 3 in shard 0 of 2"):
        writer.complete(2)
    writer.write_shard(0, *world.part(0, 4))
    with pytest.raises(ValueError, match=r"distinct ids\. Received: id='p2' in rows 2 and 4"):
        writer.complete(2)
    with pytest.raises(FileNotFoundError):
        MemoryStore.open(tmp_path / "s")
    writer.complete(1)
    with pytest.raises(FileExistsError, match=r"`path` must hold no complete store"):
        writer.complete(1)
    with pytest.raises(FileExistsError, match=r"`path` must hold no complete store"):
        writer.write_shard(0, *world.part(0, 4))
    with pytest.raises(FileExistsError, match=r"`path` must hold no complete store"):
        create(tmp_path / "s")
    with pytest.raises(ValueError, match=r"`number` must be from 0 to .*Received: number=-1"):
        writer.write_shard(-1, *world.part(0, 4))


def test_an_unfinished_store_of_other_settings(tmp_path):
    create(tmp_path / "s", fingerprint={"weights": "w1"})
    with pytest.raises(
        ValueError, match=r"unfinished store, .* dtype='int8'\. Received: dtype='float32'$"
    ):
        create(tmp_path / "s", dtype="float32", fingerprint={"weights": "w1"})
    with pytest.raises(ValueError, match=r"made with weights='w1'\. Received: weights='w2'$"):
        create(tmp_path / "s", fingerprint={"weights": "w2"})


def test_nothing_is_written_of_a_wrong_shard(tmp_path, world, files):
    writer = create(tmp_path / "s")
    before = files(tmp_path / "s")
    with pytest.raises(ValueError, match=r"`memory` must be finite"):
        writer.write_shard(0, np.full((1, 2, DIM), np.inf), [2], world.passages[:1])
    assert files(tmp_path / "s") == before


def test_killed_and_started_again(tmp_path, files):
    finish = "build(sys.argv[1], range(12)).complete(12)"
    child = run(finish, tmp_path / "whole")
    started = time.monotonic()
    assert child.wait() == 0, child.stderr.read()
    seconds = time.monotonic() - started
    child.stderr.close()
    rng, killed = np.random.default_rng(0), 0
    for attempt in range(4):
        path = tmp_path / f"killed-{attempt}"
        for _ in range(2):
            child = run(finish, path)
            time.sleep(seconds * rng.uniform(0.4, 1.0))
            child.kill()
            killed += child.wait() == -signal.SIGKILL
            child.stderr.close()
            if (path / "manifest.json").exists():
                break
        if not (path / "manifest.json").exists():
            child = run(finish, path)
            assert child.wait() == 0, child.stderr.read()
            child.stderr.close()
        assert files(path) == files(tmp_path / "whole")
    assert killed > 0
    assert MemoryStore.open(tmp_path / "whole").verify() == []


def test_a_full_disk_leaves_the_store_as_it_was(tmp_path, world):
    store = world.write(tmp_path / "s", "int8", hidden_dim=DIM)
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        for size in (10, 200):
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, limit[1]))
            with pytest.raises(OSError, match=r"cannot be written: .*File too large"):
                store.append(*world.part(11, 20))
            resource.setrlimit(resource.RLIMIT_FSIZE, limit)
            again = MemoryStore.open(tmp_path / "s")
            assert (len(again), again.verify()) == (11, [])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, handler)
    store.append(*world.part(11, 20))
    assert store.verify() == []


def test_a_killed_append_is_written_over(tmp_path, world, files):
    for name in ("one", "two"):
        world.write(tmp_path / name)
    killed = MemoryStore.open(tmp_path / "two").appender()
    for number in range(3):
        killed.write_shard(number, *world.part(20 + 4 * number, 24 + 4 * number))
    for name in ("one", "two"):
        MemoryStore.open(tmp_path / name).append(*world.part(11, 17))
    assert files(tmp_path / "one") == files(tmp_path / "two")


def test_a_shard_of_a_path_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError, match=r"cannot be (written|read): "):
        create(tmp_path / "file" / "s")
