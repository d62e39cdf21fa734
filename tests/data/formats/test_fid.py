import json
import re

import numpy as np
import pytest

from glimmer_keras.data import Corpus, Example, Passage, Task, read_dpr_results, read_fid

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


def test_questions_to_be_answered(tmp_path):
    path = write_json(tmp_path / "x.json", [{"question": "who?", "ctxs": RECORDS[0]["ctxs"]}])
    task, corpus = read_fid(path, "tqa")
    assert (task[0].answers, len(corpus)) == ((), 2)
    with pytest.raises(ValueError, match="record 1: must hold an answer"):
        read_fid(path, "tqa", unanswered="error")


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
        ({"answers": ["a", 3]}, ": record 1: field `answers` must be a string or a list of str"),
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
    with pytest.raises(
        ValueError, match=r"record 2: field `id` of a passage must name one.*id='w2'"
    ):
        read_fid(path, "tqa")


CORPUS = Corpus([Passage(name, "", "x") for name in ("w0", "w1", "w2")])
TASK = Task(
    "tqa", [Example(str(n), "tqa", q, ("a",)) for n, q in enumerate(["who?", "when?", "who?"])]
)


def result(question, *ids):
    return {"question": question, "ctxs": [{"id": i, "text": "y", "score": 1} for i in ids]}


def test_results_are_matched_by_question(tmp_path, caplog):
    records = [result("why?", "w9"), result(" who? ", "w2", "w0", "w2", "w1"), result("who?", "w1")]
    path = write_json(tmp_path / "x.json", records)
    rows = read_dpr_results(path, TASK, CORPUS, 3)
    assert rows.tolist() == [[2, 0, 1], [-1, -1, -1], [2, 0, 1]]
    assert caplog.messages == [f"{path}: 1 of 3 questions have no results"]
    lines = tmp_path / "x.jsonl"
    lines.write_text("".join(json.dumps(record) + "\n" for record in records))
    assert read_dpr_results(lines, TASK, CORPUS, 2).tolist() == [[2, 0], [-1, -1], [2, 0]]


def test_results_and_contexts_agree(tmp_path):
    ours = [{**record, "ctxs": [{"id": "p", **c} for c in record["ctxs"]]} for record in RECORDS]
    path = write_json(tmp_path / "x.json", ours)
    task, corpus = read_fid(path, "tqa")
    np.testing.assert_array_equal(read_dpr_results(path, task, corpus, 2), task.retrieved)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (result("who?", "w7"), "record 1: must name a passage of the corpus.* Received: 'w7'"),
        ({"question": "who?"}, "record 1: field `ctxs` is missing"),
        ({"question": "who?", "ctxs": [3]}, "record 1: field `ctxs` must be a list of objects"),
        ({"question": "who?", "ctxs": [{"text": "x"}]}, "record 1: field `id` is missing"),
        (result("whom?", "w1"), "must have results for the questions of the task"),
    ],
)
def test_broken_results(tmp_path, record, message):
    with pytest.raises(ValueError, match=message):
        read_dpr_results(write_json(tmp_path / "x.json", [record]), TASK, CORPUS, 3)


def test_unknown_results_can_be_skipped(tmp_path):
    path = write_json(tmp_path / "x.json", [result("who?", "w7", "w1")])
    assert read_dpr_results(path, TASK, CORPUS, 2, unknown="skip")[0].tolist() == [1, -1]
