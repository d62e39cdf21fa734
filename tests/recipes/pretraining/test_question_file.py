import json
from random import Random

import pytest
import sentencepiece

from recipes.pretraining import held_out
from recipes.pretraining.question_file import prepare_questions, read_questions
from tests.recipes.pretraining.conftest import some_passages

ROWS = [
    ("who built the tower", ["Mirelda Voss", "Voss, Mirelda"], "p0"),
    ("who saw the Isk rise", ["Mirelda Voss"], "p1"),
    ("About 200 people saw the fire.", ["SUPPORTS"], "p2"),
]


@pytest.fixture
def folder(tmp_path):
    passages = [{"id": p.id, "title": p.title, "text": p.text} for p in some_passages()]
    (tmp_path / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in passages))
    rows = [
        {
            "id": str(number),
            "input": question,
            "output": [{"answer": a, "provenance": [{"passage_id": passage}]} for a in answers],
        }
        for number, (question, answers, passage) in enumerate(ROWS)
    ]
    (tmp_path / "qa-train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "qa-dev.jsonl").write_text("not read")
    return tmp_path


def test_answers_are_those_that_the_passage_tells_and_lie_in_the_window(folder, model, monkeypatch):
    monkeypatch.setattr(held_out, "HELD_ONE_IN", 10**9)
    prepare_questions(folder / "questions.json", [folder], model)
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    questions = read_questions(folder / "questions.json", processor.encode("[SEP]"), [3])
    told = {}
    for row in questions.tasks["qa"]:
        passage = questions.passages[row.passage]
        told[processor.decode(row.question)] = (
            [processor.decode(answer) for answer in row.answers],
            processor.decode(passage[row.start : row.end]),
        )
    assert told["who built the tower"] == (["mirelda voss"], "mirelda voss")
    # No passage tells a label; the window is where the claim's words are.
    assert told["about 200 people saw the fire."][0] == ["SUPPORTS"]
    for seed in range(10):
        _, passage, answer = questions.draw("qa", Random(seed), 40)
        assert len(passage) <= 39
        told = processor.decode(passage)
        assert processor.decode(answer) in told or "about" in told


def test_what_is_near_and_does_not_tell_is_kept(folder, model, monkeypatch):
    monkeypatch.setattr(held_out, "HELD_ONE_IN", 10**9)
    prepare_questions(folder / "questions.json", [folder], model)
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    questions = read_questions(folder / "questions.json", [5], [3])
    near = {
        processor.decode(row.question): {
            processor.decode(questions.passages[number])[:20] for number in row.near
        }
        for row in questions.tasks["qa"]
    }
    # The second passage shares words with the first question, but names Mirelda Voss.
    assert near == {
        "who built the tower": set(),
        "who saw the isk rise": {"almere: in the harbo"},
        "about 200 people saw the fire.": {"torvik: in the year "},
    }
    for row in questions.tasks["qa"]:
        assert all(number != row.passage for number in row.near)
