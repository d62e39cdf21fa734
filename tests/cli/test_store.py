import json
import shutil

import pytest

from glimmer_keras.cli.main import main
from glimmer_keras.memory import MemoryStore

pytestmark = pytest.mark.usefixtures("loaded_once")


@pytest.fixture(scope="module")
def made(preset, corpus, tmp_path_factory):
    path = tmp_path_factory.mktemp("made") / "store"
    assert main(["encode", preset, corpus(0, 5), str(path), "--shard-size", "2"]) == 0
    return path


@pytest.fixture
def store(made, tmp_path):
    return shutil.copytree(made, tmp_path / "store")


def test_info(glimmer, store):
    status, out, _ = glimmer("store", "info", "--json", store)
    assert status == 0
    assert json.loads(out) == MemoryStore.open(store).info()
    status, out, _ = glimmer("store", "info", store)
    assert status == 0
    rows = {
        line.split("│")[1].strip(): line.split("│")[2].strip() for line in out.splitlines()[1:-1]
    }
    assert (rows["passages"], rows["dtype"], rows["fingerprint passage length"]) == (
        "5",
        "int8",
        "16",
    )


def test_a_passage_is_replaced_and_its_space_won_back(glimmer, preset, store, tmp_path):
    before = MemoryStore.open(store)
    [old] = before.passages(["p1"])
    changed = tmp_path / "changed.jsonl"
    lines = [
        {"id": "p1", "title": old.title, "text": "Other words."},
        {"id": "new", "text": "New."},
    ]
    changed.write_text("".join(json.dumps(line) + "\n" for line in lines))
    append = ("store", "append", preset, changed, store)
    status, _, err = glimmer(*append)
    assert status == 1
    assert "must have ids that are new" in err
    for _ in range(2):  # The second time there is nothing to do.
        assert glimmer(*append, "--replace")[0] == 0
        now = MemoryStore.open(store)
        assert [p.text for p in now.passages(["p1", "new"])] == ["Other words.", "New."]
        assert (len(now), now.info()["deleted"]) == (6, 1)
    assert before.passages(["p1"]) == [old]
    left = list(now.iter_passages())
    status, out, _ = glimmer("store", "compact", store)
    assert status == 0
    assert "6 passages, " in out
    assert "bytes won back" in out
    compacted = MemoryStore.open(store)
    assert list(compacted.iter_passages()) == left
    assert compacted.info()["deleted"] == 0
    assert glimmer("store", "verify", store)[0] == 0


def test_append_verify_delete(glimmer, preset, corpus, store, tmp_path):
    status, out, _ = glimmer("store", "append", preset, corpus(5, 9), store)
    assert (status, out) == (0, f"{store}: 9 passages\n")
    assert glimmer("store", "verify", store)[:2] == (0, f"{store}: 9 passages, no damage\n")
    ids = tmp_path / "ids.txt"
    ids.write_text("p7\n\n p2 \n", encoding="utf-8")
    status, out, _ = glimmer("store", "delete", store, "p0", "--from", ids)
    assert (status, out) == (0, f"{store}: 6 passages\n")
    left = [passage.id for passage in MemoryStore.open(store).iter_passages()]
    assert left == ["p1", "p3", "p4", "p5", "p6", "p8"]
    status, _, err = glimmer("store", "delete", store, "p1", "p0")
    assert (status, len(MemoryStore.open(store))) == (1, 6)
    assert err.startswith("glimmer: error: `ids` must be ids of passages")


def test_verify_tells_each_damage(glimmer, store):
    file = store / "memory" / "c" / "1" / "0" / "0"
    content = bytearray(file.read_bytes())
    content[20] ^= 255
    file.write_bytes(content)
    status, out, err = glimmer("store", "verify", store)
    assert (status, err) == (1, "")
    (line,) = out.splitlines()
    assert "'p2'" in line
    assert "is damaged" in line


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["info", "none"], "`path` must be a complete store"),
        (["verify", "none"], "`path` must be a complete store"),
        (["delete", "none", "p1"], "`path` must be a complete store"),
        (["delete", "none"], "`ID` or `--from` must name a passage to delete. Received: 0 ids"),
    ],
)
def test_errors(glimmer, tmp_path, monkeypatch, arguments, line):
    monkeypatch.chdir(tmp_path)
    status, _, err = glimmer("store", *arguments)
    assert status == 1
    assert err.startswith(f"glimmer: error: {line}")
    assert list(tmp_path.iterdir()) == []


def test_appending_wants_a_store_before_it_loads_a_model(glimmer, corpus, tmp_path):
    status, _, err = glimmer("store", "append", "no such preset", corpus(0, 2), tmp_path / "none")
    assert (status, err.startswith("glimmer: error: `path` must be a complete store")) == (1, True)


def test_a_store_is_converted(glimmer, store, tmp_path):
    pytest.importorskip("faiss")
    wide, small = tmp_path / "wide", tmp_path / "small"
    assert glimmer("store", "convert", store, wide, "--dtype", "float32")[0] == 0
    assert MemoryStore.open(wide).dtype == "float32"
    status, _, err = glimmer("store", "convert", wide, small, "--compress", "pq:16")
    assert status == 1  # five passages
    assert err.startswith("glimmer: error: `vectors` must be at least 256, tokens to learn")
    assert not small.exists()
    assert glimmer("store", "convert", store, wide)[0] == 1
    assert len(MemoryStore.open(wide)) == 5
