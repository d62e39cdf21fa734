import json
from random import Random

import pytest
import sentencepiece

from glimmer_keras.data import Example, Provenance, Task
from recipes.pretraining import questions as module
from recipes.pretraining.questions import (
    Question,
    Questions,
    prepare_questions,
    read_questions,
    replaced,
    split_task,
)
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


def test_answers_stand_in_a_text_as_words():
    text = "By two networks: TWO, 12 or 2. 東京都"
    ends = [*range(1, len(text) + 1)]
    found = {
        answer: [start for _, start, _ in module.answer_spans(text, ends, [answer])]
        for answer in ("y", "two", "2", "12", "東京", "")
    }
    # With the blank before it, a token of its own.
    assert found == {"y": [], "two": [2, 16], "2": [27], "12": [21], "東京": [30], "": []}


def test_answers_are_those_that_the_passage_tells_and_lie_in_the_window(folder, model, monkeypatch):
    monkeypatch.setattr(module, "HELD_ONE_IN", 10**9)
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


def test_an_answer_is_swapped_for_one_that_answers_the_like(monkeypatch):
    """Tokens 1 and 2 ask, 5 stands between entity and relation, answers are over 100."""
    monkeypatch.setattr(module, "TOKENS_LOST", 0.0)
    monkeypatch.setattr(module, "UNTOLD", 0.0)
    passages = [[40, 101, 102, 50, 101, 102, 60], [41, 51, 103], [42, 52, 104, 105]]
    tasks = {
        "qa": [
            Question([1, 30], [[101, 102]], 0, 4, 6),
            Question([1, 31], [[103]], 1, 2, 3),
            Question([2, 32], [[104, 105]], 2, 2, 4),
        ],
        "slots": [Question([70, 5, 6], [[103]], 1, 2, 3), Question([71, 5, 6], [[104]], 2, 2, 3)],
        "claims": [Question([30, 31], [[9]], 0, 4, 5)],
    }
    questions = Questions(passages, [1, 1, 1], tasks, [5], [3])
    seen = set()
    for seed in range(200):
        for name in tasks:
            question, passage, answer = questions.draw(name, Random(seed), 9)
            seen.add((name, *question, 0, *passage, 0, *answer))
    assert seen == {
        ("qa", 1, 30, 0, 40, 101, 102, 50, 101, 102, 60, 0, 101, 102),
        ("qa", 1, 30, 0, 40, 103, 50, 103, 60, 0, 103),
        ("qa", 1, 31, 0, 41, 51, 103, 0, 103),
        ("qa", 1, 31, 0, 41, 51, 101, 102, 0, 101, 102),
        ("qa", 2, 32, 0, 42, 52, 104, 105, 0, 104, 105),
        ("slots", 70, 5, 6, 0, 41, 51, 103, 0, 103),
        ("slots", 70, 5, 6, 0, 41, 51, 104, 0, 104),
        ("slots", 71, 5, 6, 0, 42, 52, 104, 105, 0, 104),
        ("slots", 71, 5, 6, 0, 42, 52, 103, 105, 0, 103),
        ("claims", 30, 31, 0, 40, 101, 102, 50, 101, 102, 60, 0, 9),
    }
    assert replaced([7, 8, 7, 9], [7], [1, 2], 2) == ([1, 2, 8, 1, 2, 9], 3)


def test_a_passage_that_does_not_tell_is_of_the_same_title_if_there_is_one(monkeypatch):
    monkeypatch.setattr(module, "TOKENS_LOST", 0.0)
    monkeypatch.setattr(module, "UNTOLD", 1.0)
    passages = [[40, 101], [40, 50], [41, 51], [41, 101]]
    tasks = {
        "near": [Question([1], [[101]], 0, 1, 2)],
        "far": [Question([2], [[51]], 2, 1, 2)],
        "told": [Question([3], [[40], [41]], 0, 0, 1)],
    }
    questions = Questions(passages, [1] * 4, tasks, [5], [3])
    drawn = {name: [questions.draw(name, Random(s), 9) for s in range(50)] for name in tasks}
    near = [([1], [40, 50], [3]), ([1], [41, 51], [3])]
    assert all(each in near or each[2] == [101] for each in drawn["near"])
    assert drawn["near"].count(near[0]) > drawn["near"].count(near[1])
    assert ([2], [41, 101], [3]) in drawn["far"]
    assert all(each[2] != [3] for each in drawn["told"])


def test_tokens_of_a_question_are_lost():
    task = {"qa": [Question([*range(100)], [[7]], 0, 0, 1)]}
    question, _, _ = Questions([[7]], [0], task, [5], [3]).draw("qa", Random(0), 9)
    assert 80 < len(question) < 98
    assert question == sorted(question)
