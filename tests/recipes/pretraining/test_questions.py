import json
from random import Random

import pytest
import sentencepiece

from glimmer_keras.data import Example, Provenance, Task
from recipes.pretraining import questions as module
from recipes.pretraining.questions import prepare_questions, read_questions, split_task
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


def test_one_passage_in_twenty_is_held_out_with_its_questions():
    gold = [((Provenance(f"p{number % 300}"),),) for number in range(600)]
    examples = [Example(str(n), "qa", "who", ("a",), e) for n, e in enumerate(gold)]
    trained, held = split_task(Task("qa", examples))
    assert 10 <= len(held) <= 50  # 30 are to be expected
    passages = [{e.evidence[0][0].passage_id for e in part} for part in (trained, held)]
    assert not passages[0] & passages[1]
    assert split_task(Task("qa", list(held)))[0] is None


def test_answers_are_those_that_the_passage_tells_and_lie_in_the_window(folder, model, monkeypatch):
    monkeypatch.setattr(module, "HELD_ONE_IN", 10**9)
    prepare_questions(folder / "questions.json", [folder], model)
    questions = read_questions(folder / "questions.json")
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
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
