from random import Random

from recipes.pretraining import questions as module
from recipes.pretraining.questions import Question, Questions, replaced


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
