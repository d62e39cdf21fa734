import gzip
import re

import pytest

from glimmer_keras.data.jsonl import read_list, read_records, take, take_id


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def test_reads_plain_and_gzipped_alike(tmp_path):
    text = '{"a": "é"}\n\n{"a": 2}\n'
    plain = write(tmp_path / "x.jsonl", text)
    packed = tmp_path / "x.jsonl.gz"
    packed.write_bytes(gzip.compress(text.encode()))
    assert [*read_records(plain)] == [(f"{plain}:1", {"a": "é"}), (f"{plain}:3", {"a": 2})]
    assert [record for _, record in read_records(packed)] == [{"a": "é"}, {"a": 2}]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1}\n{"a": \n', ":2: not valid JSON: Expecting value"),
        ("[1, 2]\n", r":1: must be a JSON object. Received: [1, 2]"),
        ("\n", ": must hold at least one record. Received: 0 records"),
    ],
)
def test_broken_lines(tmp_path, text, message):
    path = write(tmp_path / "x.jsonl", text)
    with pytest.raises(ValueError, match=re.escape(f"{path}{message}")):
        list(read_records(path))


def test_half_a_character_is_an_error(tmp_path):
    whole = tmp_path / "whole.jsonl"
    whole.write_text('{"text": "\\ud83d\\ude00"}\n')
    assert [record for _, record in read_records(whole)] == [{"text": "😀"}]
    half = tmp_path / "half.jsonl"
    half.write_text('{"text": "a"}\n{"text": "\\ud83d"}\n')
    with pytest.raises(ValueError, match=r"half.jsonl:2: must be valid Unicode"):
        list(read_records(half))
    half.write_text('[{"text": "\\uDE00"}]')
    with pytest.raises(ValueError, match=r"half.jsonl: must be valid Unicode"):
        list(read_list(half))


def test_unreadable_bytes(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'{"a": "\xff"}\n')
    with pytest.raises(ValueError, match=r"x\.jsonl:1: cannot be read: .*utf-8"):
        list(read_records(path))
    path = tmp_path / "x.jsonl.gz"
    whole = gzip.compress(b'{"a": 1}\n' * 99)
    for broken in (whole[:-12], whole[:12] + b"\xff" * 9 + whole[21:]):
        path.write_bytes(broken)
        with pytest.raises(ValueError, match=r"x\.jsonl\.gz:\d+: cannot be read: "):
            list(read_records(path))


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"`path` must be an existing.*no\.jsonl"):
        list(read_records(tmp_path / "no.jsonl"))


def test_read_list(tmp_path):
    path = write(tmp_path / "x.json", '[{"a": 1}, {"a": 2}]')
    assert [*read_list(path)] == [
        (f"{path}: record 1", {"a": 1}),
        (f"{path}: record 2", {"a": 2}),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", ": must hold a list of at least one record. Received: []"),
        ('{"a": 1}', ": must hold a list of at least one record. Received: {'a': 1}"),
        ("[{},\n 3]", ": record 2: must be a JSON object. Received: 3"),
        ("[{},\n", ":2: not valid JSON: "),
    ],
)
def test_broken_lists(tmp_path, text, message):
    path = write(tmp_path / "x.json", text)
    with pytest.raises(ValueError, match=re.escape(f"{path}{message}")):
        list(read_list(path))


def test_take():
    record = {"id": 7, "text": "t" * 80}
    assert take_id(record, "id", "f:1") == "7"
    assert take_id({"id": "x"}, "id", "f:1") == "x"
    with pytest.raises(ValueError, match=r"f:1: field `title` is missing\. Received: \['id', 'tex"):
        take(record, "title", str, "f:1")
    with pytest.raises(ValueError, match=r"f:1: field `text` must be int\. Received: 't{56}\.\.\."):
        take(record, "text", int, "f:1")
    with pytest.raises(ValueError, match=r"f:1: field `id` must be str\. Received: True"):
        take_id({"id": True}, "id", "f:1")
