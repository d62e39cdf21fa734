import json

import pytest

from glimmer_keras.data import Corpus, Example, Passage, Task, read_kilt_results

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
