import json
import re

import pytest

from glimmer_keras.data import (
    Corpus,
    Example,
    Passage,
    Provenance,
    Task,
    read_kilt_results,
    read_task,
)


def write(path, *records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def row(number, *outputs, **more):
    return {"id": f"r{number}", "input": f"question {number}", "output": [*outputs], **more}


def test_read_task(tmp_path):
    paragraphs = {"wikipedia_id": "7", "start_paragraph_id": 1, "end_paragraph_id": 2, "title": "T"}
    path = write(
        tmp_path / "nq-dev.jsonl",
        row(
            1,
            {"answer": "a", "provenance": [{"passage_id": "p1"}, {"passage_id": "p2"}]},
            {"answer": "b", "provenance": [paragraphs]},
            {"provenance": [{"wikipedia_id": "8"}]},
            {"answer": "a", "provenance": []},
            {"answer": "", "provenance": [{"passage_id": "p1"}, {"passage_id": "p2"}]},
        ),
    )
    task = read_task(path)
    assert (task.name, len(task), task.retrieved) == ("nq-dev", 1, None)
    example = task[0]
    assert (example.id, example.task, example.question) == ("r1", "nq-dev", "question 1")
    assert example.answers == ("a", "b")
    assert example.evidence == (
        (Provenance("p1"), Provenance("p2")),
        (Provenance(page_id="7", first_paragraph=1, last_paragraph=2),),
        (Provenance(page_id="8"),),
    )


def test_task_name(tmp_path):
    path = write(tmp_path / "x.jsonl", row(1, {"answer": "a"}, task="nq"))
    assert read_task(path).name == "nq"
    assert read_task(path, "mine")[0].task == "mine"
    path = write(
        tmp_path / "x.jsonl",
        row(1, {"answer": "a"}, task="nq"),
        row(2, {"answer": "a"}, task="fever"),
    )
    with pytest.raises(ValueError, match=r"must hold one task, .*Received: \['nq', 'fever'\]"):
        read_task(path)
    assert len(read_task(path, "both")) == 2


def test_unanswered_rows(tmp_path):
    test_row = {"id": "t", "input": "question"}
    path = write(tmp_path / "x.jsonl", row(1, {"answer": "a"}), row(2, {"answer": " "}), test_row)
    with pytest.raises(ValueError, match=r"x\.jsonl:2: must hold an answer"):
        read_task(path)
    assert [e.id for e in read_task(path, unanswered="skip")] == ["r1"]
    assert [e.answers for e in read_task(path, unanswered="keep")] == [("a",), (), ()]
    with pytest.raises(ValueError, match=r"`unanswered` must be one of .*unanswered='drop'"):
        read_task(path, unanswered="drop")
    path = write(tmp_path / "x.jsonl", test_row)
    with pytest.raises(ValueError, match=r"at least one row with an answer\. Received: 0 rows"):
        read_task(path, unanswered="skip")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"input": " "}, ":1: field `input` must not be blank. Received: input=' '"),
        ({"input": None}, ":1: field `input` must be str. Received: None"),
        ({"output": {}}, ":1: field `output` must be list. Received: {}"),
        ({"output": ["a"]}, ":1: field `output` must be a list of objects"),
        ({"output": [{"answer": 3}]}, ":1: field `answer` must be str. Received: 3"),
        ({"output": [{"provenance": ["p"]}]}, ":1: field `provenance` must be a list of objects"),
        ({"task": 3}, ":1: field `task` must be str. Received: 3"),
        (
            {"output": [{"provenance": [{"wikipedia_id": "7", "start_paragraph_id": "1"}]}]},
            ":1: field `start_paragraph_id` must be int. Received: '1'",
        ),
    ],
)
def test_read_task_errors(tmp_path, change, message):
    path = write(tmp_path / "x.jsonl", {**row(1, {"answer": "a"}), **change})
    with pytest.raises(ValueError, match=re.escape(f"{path}{message}")):
        read_task(path)


CORPUS = Corpus(
    [
        Passage("7-0", "S", "a", "7", 0, 2),
        Passage("7-1", "S", "b", "7", 2, 4),
        Passage("7-2", "S", "c", "7", 5, 6),
        Passage("8-0", "E", "d", "8", 0, 1),
    ]
)
TASK = Task("nq", [Example(str(n), "nq", f"{n}?", ("a",)) for n in range(3)])


@pytest.fixture
def results(tmp_path):
    def write(*records):
        path = tmp_path / "results.jsonl"
        path.write_text("".join(json.dumps(record) + "\n" for record in records))
        return path

    return write


def record(number, *pieces):
    return {"id": number, "output": [{"answer": "x", "provenance": [*pieces]}]}


def test_passages_pages_and_paragraphs(results):
    path = results(
        record("2", {"wikipedia_id": "8", "title": "E"}, {"wikipedia_id": 7, "score": 1.5}),
        record(
            1,
            {"passage_id": "7-2"},
            {"wikipedia_id": "7", "start_paragraph_id": 2, "end_paragraph_id": 5},
            {"passage_id": "8-0"},
        ),
        record("other", {"wikipedia_id": "no such"}),
        record("0"),
    )
    rows = read_kilt_results(path, TASK, CORPUS, 4)
    assert rows.tolist() == [[-1, -1, -1, -1], [2, 0, 1, 3], [3, 0, 1, 2]]
    assert read_kilt_results(path, TASK, CORPUS, 2).tolist() == [[-1, -1], [2, 0], [3, 0]]


def test_predictions_of_this_package_are_read(results):
    piece = {"passage_id": "7-1", "title": "S", "score": 0.5}
    assert read_kilt_results(results(record("0", piece)), TASK, CORPUS, 1)[0].tolist() == [1]


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([record("0", {"wikipedia_id": "9"})], "jsonl:1: must name a passage .*Received: '9'"),
        ([record("0", {"title": "S"})], "jsonl:1: must name a passage .*Received: ''"),
        ([record("0", 3)], "jsonl:1: field `provenance` must be a list of objects"),
        ([{"id": "0", "output": []}], "`output` must hold exactly one object. Received: 0"),
        ([{"id": "0", "output": [{}]}], "jsonl:1: field `provenance` is missing"),
        ([{"output": []}], "jsonl:1: field `id` is missing"),
        ([record("0"), record("0")], "jsonl:2: the results of a question .*come once"),
        ([record("x")], "must have results for the questions of the task"),
    ],
)
def test_broken_results(results, records, message):
    with pytest.raises(ValueError, match=message):
        read_kilt_results(results(*records), TASK, CORPUS, 3)


def test_unknown_pieces_can_be_skipped(results, caplog):
    path = results(record("0", {"wikipedia_id": "9"}, {"passage_id": "8-0"}))
    rows = read_kilt_results(path, TASK, CORPUS, 2, unknown="skip")
    assert rows.tolist() == [[3, -1], [-1, -1], [-1, -1]]
    assert [message.partition(": ")[2] for message in caplog.messages] == [
        "1 results are not in the corpus",
        "2 of 3 questions have no results",
    ]
