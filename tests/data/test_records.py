import json
import re
import sys

import pytest

from glimmer_keras.data import read_corpus, records
from glimmer_keras.data.records import Columns, read_any, shape_of

COLUMNS = Columns(frozenset({"id", "text", "title"}), {2: ("id", "text")})
RECORDS = [{"id": "1", "text": 'He said "no", and\nleft.'}, {"id": "2", "text": "é" * 200_000}]


def write(path, shape):
    if shape == "lines":
        path.write_text("\n".join(map(json.dumps, RECORDS)))
    elif shape == "list":
        path.write_text(json.dumps(RECORDS, indent=1))
    elif shape in ("tabs", "commas"):
        mark = {"tabs": "\t", "commas": ","}[shape]
        rows = [f'"{r["id"]}"{mark}"{r["text"].replace(chr(34), chr(34) * 2)}"' for r in RECORDS]
        path.write_text("\n".join([f"Id{mark} text", *rows, ""]))
    else:
        pyarrow = pytest.importorskip("pyarrow")
        table = pyarrow.Table.from_pylist(RECORDS)
        if shape == "parquet":
            import pyarrow.parquet

            pyarrow.parquet.write_table(table, path)
        else:
            made = pyarrow.ipc.new_file if shape == "arrow" else pyarrow.ipc.new_stream
            with pyarrow.OSFile(str(path), "wb") as file, made(file, table.schema) as writer:
                writer.write_table(table, max_chunksize=1)
    return path


@pytest.mark.parametrize(
    "shape", ["lines", "list", "tabs", "commas", "parquet", "arrow", "arrow stream"]
)
def test_records_from_any_place_on(tmp_path, shape):
    path = write(tmp_path / "file", shape)
    assert shape_of(path, COLUMNS) == shape.split()[0]
    lines = list(read_any(path, COLUMNS))
    assert [line.record for line in lines] == RECORDS
    for number, line in enumerate(lines):
        again = list(read_any(path, COLUMNS, line.number, line.offset))
        assert again == lines[number:]


def test_a_table_without_a_header_is_not_quoted(tmp_path):
    path = tmp_path / "collection.tsv"
    path.write_text('0\t"Yes, he said.\n\n7\tNo "one" knows.\n')
    lines = list(read_any(path, COLUMNS))
    assert [line.record for line in lines] == [
        {"id": "0", "text": '"Yes, he said.'},
        {"id": "7", "text": 'No "one" knows.'},
    ]
    assert list(read_any(path, COLUMNS, lines[1].number, lines[1].offset)) == lines[1:]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id\ttext\n1\tx\ty\n", ":2: must have 2 columns, id, text. Received: 3"),
        ("id\tid\n1\tx\n", ":1: columns must have distinct names. Received: ['id', 'id']"),
        ("a\tb\tc\n", ":1: must name its columns, one of them of id, text, title. Received: 3,"),
        ('id\ttext\n1\t"open\n2\tx\n', ":2: not a valid row: "),
        ('{"id": "1"\n{"id": "2"}', ":1: not valid JSON: "),
        ('{"id": ' + "[" * 100_000, ":1: not valid JSON: "),
        ('{"id": ' + "9" * 5000 + "}", ":1: not valid JSON: "),
    ],
)
def test_what_is_wrong_is_told(tmp_path, text, message):
    path = tmp_path / "file"
    path.write_text(text)
    with pytest.raises(ValueError, match=re.escape(message)):
        list(read_any(path, COLUMNS))


def test_a_large_file_with_a_broken_line_is_not_read_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "MOST_OF_ONE_OBJECT", 4)
    path = tmp_path / "file"
    path.write_text('{\n "id": "1"\n}')
    with pytest.raises(ValueError, match=r"file:1: not valid JSON"):
        list(read_any(path, COLUMNS))


def test_one_object_and_lines_of_text(tmp_path):
    path = tmp_path / "file"
    path.write_text('{\n "id": "1"\n}')
    assert [tuple(line)[:2] for line in read_any(path, COLUMNS)] == [({"id": "1"}, str(path))]
    path.write_text("Who was it, and when?\n\nWhy?")
    lines = list(read_any(path, COLUMNS))
    assert [line.record for line in lines] == [{"line": "Who was it, and when?"}, {"line": "Why?"}]
    assert [line.where for line in lines] == [f"{path}:1", f"{path}:3"]


def test_broken_parquet(tmp_path):
    path = write(tmp_path / "file", "parquet")
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ValueError, match="file: cannot be read: "):
        list(read_any(path, COLUMNS))


def test_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    path = tmp_path / "x.parquet"
    path.write_bytes(b"PAR1")
    with pytest.raises(ImportError, match=r"pip install glimmer_keras\[parquet\]"):
        list(read_any(path, COLUMNS))


def test_the_folder_to_which_datasets_saves(tmp_path):
    folder = tmp_path / "saved"
    folder.mkdir()
    for number, record in enumerate(RECORDS):
        pyarrow = pytest.importorskip("pyarrow")
        table = pyarrow.Table.from_pylist([record])
        path = str(folder / f"data-{number:05}-of-00002.arrow")
        with pyarrow.OSFile(path, "wb") as file, pyarrow.ipc.new_stream(file, table.schema) as out:
            out.write_table(table)
    files = [{"filename": f"data-{number:05}-of-00002.arrow"} for number in range(2)]
    state = {"_data_files": files, "_format_columns": None, "_split": "train"}
    (folder / "state.json").write_text(json.dumps(state))
    assert shape_of(folder) == "arrow"
    lines = list(read_any(folder))
    assert [line.record for line in lines] == RECORDS
    assert lines[1].where == f"{folder}: record 2"
    assert [passage.id for passage in read_corpus(folder)] == ["1", "2"]
    for wrong, message in (
        ({"_data_files": [{"filename": "../other.arrow"}]}, "must name files beside it"),
        ({**state, "_indices_files": files}, "must be saved after `flatten_indices"),
    ):
        (folder / "state.json").write_text(json.dumps(wrong))
        with pytest.raises(ValueError, match=message):
            list(read_any(folder))
