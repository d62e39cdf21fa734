import json
import re

import pytest

from glimmer_keras.data import Passage, Provenance, read_corpus, read_knowledge_source, read_task


def write(path, *records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def row(number, *outputs, **more):
    return {"id": f"r{number}", "input": f"question {number}", "output": [*outputs], **more}


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


def test_read_knowledge_source(tmp_path):
    path = write(
        tmp_path / "ks.jsonl",
        {
            "_id": "7",
            "wikipedia_id": "7",
            "wikipedia_title": "Bonn",
            "text": ["Bonn\n", "One two.\n", "Section::::Past.\n", "Three four.\n"],
        },
        {"_id": "8", "wikipedia_title": "Empty", "text": ["Empty\n"]},
        {"_id": 9, "wikipedia_title": "Ulm", "text": ["Ulm\n", "Five."]},
    )
    assert [*read_knowledge_source(path, max_words=3)] == [
        Passage("7-0", "Bonn", "One two.", "7", 0, 1),
        Passage("7-1", "Bonn", "Three four.", "7", 2, 3),
        Passage("9-0", "Ulm", "Five.", "9", 0, 1),
    ]


def test_read_knowledge_source_errors(tmp_path):
    page = {"wikipedia_id": "7", "wikipedia_title": "T", "text": ["T"]}
    path = write(tmp_path / "ks.jsonl", {**page, "text": "T"})
    with pytest.raises(ValueError, match=r"ks\.jsonl:1: field `text` must be list\. Received: 'T'"):
        read_knowledge_source(path)
    path = write(tmp_path / "ks.jsonl", {**page, "text": [3]})
    with pytest.raises(ValueError, match=r"ks\.jsonl:1: field `text` must be a list of strings"):
        read_knowledge_source(path)
    path = write(tmp_path / "ks.jsonl", page)
    with pytest.raises(ValueError, match=r"at least one page with text\. Received: 0 passages"):
        read_knowledge_source(path)


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
    with pytest.raises(ValueError, match=r"x\.jsonl:2: field `output` must hold an answer"):
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
