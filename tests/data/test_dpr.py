import json
import re

import numpy as np
import pytest

from glimmer_keras.data import read_fid

RECORDS = [
    {
        "id": 5,
        "question": "who?",
        "answers": ["Ann", "ann"],
        "target": "Ann B",
        "ctxs": [
            {"id": "w1", "title": "T", "text": "no", "score": "9.1", "has_answer": False},
            {"id": "w2", "title": "U", "text": "Ann", "hasanswer": True},
        ],
    },
    {
        "question": "where?",
        "answers": ["Ulm"],
        "ctxs": [{"id": "w2", "title": "U", "text": "Ann"}],
    },
    {"question": "when?", "answers": ["1805"], "ctxs": [{"text": "In 1805.", "has_answer": True}]},
]


def write_json(path, records):
    path.write_text(json.dumps(records), encoding="utf-8")
    return path


def test_read_fid(tmp_path):
    task, corpus = read_fid(write_json(tmp_path / "x.json", RECORDS), "tqa")
    assert [passage.content for passage in corpus] == ["T: no", "U: Ann", "In 1805."]
    np.testing.assert_array_equal(task.retrieved, [[0, 1], [1, -1], [2, -1]])
    assert [example.id for example in task] == ["5", "tqa-1", "tqa-2"]
    assert task[0].answers == ("Ann B", "Ann", "ann")
    assert [passage.id for passage in task[0].contexts] == ["w1", "w2"]
    assert corpus.evidence_rows(task[0]) == (frozenset({1}),)
    assert corpus.evidence_rows(task[1]) == ()
    assert corpus.evidence_rows(task[2]) == (frozenset({2}),)


def test_list_and_lines_agree(tmp_path):
    lines = tmp_path / "x.jsonl"
    lines.write_text("\n".join(json.dumps(record) for record in RECORDS), encoding="utf-8")
    task, corpus = read_fid(lines, "tqa")
    other, other_corpus = read_fid(write_json(tmp_path / "x.json", RECORDS), "tqa")
    assert [*task] == [*other]
    assert corpus.fingerprint == other_corpus.fingerprint


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ctxs": "x"}, ": record 1: field `ctxs` must be list. Received: 'x'"),
        ({"ctxs": ["x"]}, ": record 1: field `ctxs` must be a list of objects"),
        ({"ctxs": [{"title": "T"}]}, ": record 1: field `text` is missing. Received: ['title']"),
        ({"ctxs": []}, ": must hold at least one passage in `ctxs`. Received: 0 passages"),
        ({"answers": []}, ": record 1: field `answers` must hold an answer. Received: []"),
        ({"answers": ["a", 3]}, ": record 1: field `answers` must be a list of strings"),
        ({"question": ""}, ": record 1: field `question` must not be blank"),
    ],
)
def test_errors(tmp_path, change, message):
    path = write_json(tmp_path / "x.json", [{**RECORDS[1], **change}])
    with pytest.raises(ValueError, match=re.escape(f"{path}{message}")):
        read_fid(path, "tqa")


def test_one_id_with_two_texts(tmp_path):
    changed = {**RECORDS[1], "ctxs": [{"id": "w2", "title": "U", "text": "other"}]}
    path = write_json(tmp_path / "x.json", [RECORDS[0], changed])
    with pytest.raises(ValueError, match=r"record 2: field `id` of `ctxs` must name one.*id='w2'"):
        read_fid(path, "tqa")
