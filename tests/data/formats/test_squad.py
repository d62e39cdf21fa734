import json

import pytest

from glimmer_keras.data import read_fid, read_task

SQUAD = {
    "version": "v2.0",
    "data": [
        {
            "title": "Ann",
            "paragraphs": [
                {
                    "context": "Ann lives in Torvik.",
                    "qas": [
                        {
                            "id": "a",
                            "question": "Where does Ann live?",
                            "answers": [
                                {"text": "Torvik", "answer_start": 13},
                                {"text": "in Torvik", "answer_start": 10},
                            ],
                        },
                        {"id": "b", "question": "Why?", "answers": [], "is_impossible": True},
                    ],
                }
            ],
        }
    ],
}
ROW = {
    "id": "a",
    "title": "Ann",
    "context": "Ann lives in Torvik.",
    "question": "Where does Ann live?",
    "answers": {"text": ["Torvik", "in Torvik"], "answer_start": [13, 10]},
}


@pytest.mark.parametrize("indent", [None, 1])
def test_squad_and_its_rows(tmp_path, indent):
    path = tmp_path / "squad.json"
    path.write_text(json.dumps(SQUAD, indent=indent))
    task, corpus = read_fid(path, "squad")
    assert [passage.content for passage in corpus] == ["Ann: Ann lives in Torvik."]
    assert [(e.id, e.question, e.answers) for e in task] == [
        ("a", "Where does Ann live?", ("Torvik", "in Torvik")),
        ("b", "Why?", ()),
    ]
    assert [corpus.evidence_rows(example) for example in task] == [(frozenset({0}),), ()]
    assert task.retrieved.tolist() == [[0], [0]]
    path.write_text(json.dumps(ROW))
    rows, same = read_fid(path, "squad")
    assert rows[0] == task[0]
    assert same.fingerprint == corpus.fingerprint


def test_triviaqa(tmp_path):
    path = tmp_path / "unfiltered-web-dev.json"
    answer = {"Value": "Torvik", "Aliases": ["Torvik", "Torvick"], "Type": "WikipediaEntity"}
    asked = [
        {"Question": "Where?", "QuestionId": "tc_1", "Answer": answer},
        {"Question": "Who?", "QuestionId": "tc_2"},
    ]
    path.write_text(json.dumps({"Data": asked, "Domain": "Web", "VerifiedEval": False}, indent=4))
    first, second = read_task(path, unanswered="keep")
    assert (first.id, first.answers) == ("tc_1", ("Torvik", "Torvick"))
    assert (second.id, second.answers) == ("tc_2", ())


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"data": [1]}, "field `data` must be a list of objects"),
        ({"data": [{"title": "T"}]}, "field `paragraphs` is missing"),
        (ROW | {"answers": {"text": [3]}}, "answers must be strings. Received: \\[3\\]"),
        ({"Data": [{"QuestionId": "1"}]}, "field `Question` is missing"),
    ],
)
def test_what_is_wrong_is_told(tmp_path, record, message):
    path = tmp_path / "x.json"
    path.write_text(json.dumps(record))
    with pytest.raises(ValueError, match=message):
        read_task(path)
