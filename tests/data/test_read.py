import gzip
import json
import re

import pytest

from glimmer_keras.data import DiskCorpus, Passage, read_corpus, read_folder


@pytest.fixture
def folder(tmp_path):
    def write(name, *rows):
        (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in rows))

    write("corpus.jsonl", {"id": "1", "text": "Torvik grew."}, {"id": "2", "text": "Almere."})
    for task in ("qa", "verify"):
        for split in ("train", "dev"):
            row = {"id": f"{task}-{split}", "input": "Where?", "output": [{"answer": "Torvik"}]}
            write(f"{task}-{split}.jsonl", row)
    return tmp_path


def test_all_tasks_or_those_asked_for_in_their_order(folder):
    corpus, train, dev = read_folder(folder)
    assert [passage.id for passage in corpus] == ["1", "2"]
    assert [task.name for task in train] == [task.name for task in dev] == ["qa", "verify"]
    assert [task[0].id for task in train + dev] == [
        "qa-train",
        "verify-train",
        "qa-dev",
        "verify-dev",
    ]
    _, train, _ = read_folder(folder, ["verify", "qa"])
    assert [task.name for task in train] == ["verify", "qa"]


def test_files_may_be_named_and_packed_as_kilts(folder):
    (folder / "qa-train.jsonl").rename(folder / "qa-train-kilt.jsonl")
    packed = gzip.compress((folder / "qa-dev.jsonl").read_bytes())
    (folder / "qa-dev.jsonl").unlink()
    (folder / "qa-dev-kilt.jsonl.gz").write_bytes(packed)
    (folder / "qa-train_id-kilt.jsonl").write_text("")
    _, train, dev = read_folder(folder)
    assert [task[0].id for task in train + dev][::2] == ["qa-train", "qa-dev"]
    (folder / "qa-train.jsonl").write_text("")
    with pytest.raises(ValueError, match=r"Received: qa-train-kilt\.jsonl and qa-train\.jsonl"):
        read_folder(folder)


def test_a_corpus_on_disk_is_taken(folder):
    DiskCorpus.write(folder / "corpus", read_corpus(folder / "corpus.jsonl"))
    (folder / "corpus.jsonl").unlink()
    corpus, _, _ = read_folder(folder)
    assert isinstance(corpus, DiskCorpus)
    assert len(corpus) == 2


@pytest.mark.parametrize("tasks", [["poems"], ["qa", "qa"]])
def test_other_tasks_are_errors(folder, tasks):
    with pytest.raises(ValueError, match="each once: qa, verify. Received: "):
        read_folder(folder, tasks)


def test_no_folder(tmp_path):
    with pytest.raises(ValueError, match="`folder` must be a folder. Received: folder="):
        read_folder(tmp_path / "none")
    with pytest.raises(ValueError, match="each once: none. Received: "):
        read_folder(tmp_path)


@pytest.mark.parametrize("name", ["qa-dev.jsonl", "corpus.jsonl"])
def test_an_absent_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=name):
        read_folder(folder)


def write(path, *records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def test_read_corpus(tmp_path):
    path = write(
        tmp_path / "corpus.jsonl",
        {"id": "a", "title": "T", "text": "x"},
        {"id": 2, "text": "y"},
        {"id": "c", "title": None, "text": "z"},
    )
    assert [*read_corpus(path)] == [
        Passage("a", "T", "x"),
        Passage("2", "", "y"),
        Passage("c", "", "z"),
    ]


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"id": "b", "title": "T"}, ":2: field `text` is missing. Received: ['id', 'title']"),
        ({"id": "b", "text": "y", "title": 3}, ":2: field `title` must be str. Received: 3"),
        ({"id": "a", "text": "y"}, ":2: field `id` must be unique. Received: id='a'"),
    ],
)
def test_read_corpus_errors(tmp_path, record, message):
    path = write(tmp_path / "corpus.jsonl", {"id": "a", "text": "x"}, record)
    with pytest.raises(ValueError, match=re.escape(f"{path}{message}")):
        read_corpus(path)
