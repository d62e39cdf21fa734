from random import Random

import pytest

from recipes.pretraining import examples as module
from recipes.pretraining.examples import find, window

SIZE = 128


@pytest.fixture
def made(examples, monkeypatch):
    """All that a task makes of the first passage, as texts, no word left out."""
    monkeypatch.setattr(module, "KEPT_WORDS", 1.1)
    monkeypatch.setattr(module, "TOKENS_AROUND", 60)
    monkeypatch.setattr(module, "TOKENS_NEAR", 24)

    def made(name, row=0, seeds=40):
        found = set()
        for seed in range(seeds):
            example = examples.tasks[name](Random(seed), row, SIZE)
            if example is not None:
                question, passage, answer = map(examples.processor.decode, example)
                assert passage == examples.processor.decode(examples.text.passage(row))
                found.add((question, answer))
        return found

    return made


def test_clozes_and_slots(made):
    question = "the tower of torvik was built by _ in 1863."
    assert (question, "mirelda voss") in made("cloze")
    assert ("it has _ bells and a clock.", "12") in made("cloze")
    assert ("torvik [SEP] the tower of torvik was built by in 1863.", "mirelda voss") in made(
        "slot"
    )


def test_claims_are_true_as_they_stand_and_false_with_another_of_the_kind(made):
    told = made("claim", seeds=200)
    assert ("the tower of torvik was built by mirelda voss in 1863.", "SUPPORTS") in told
    assert ("the tower of torvik was built by mirelda voss in 12.", "REFUTES") in told
    assert not any("in torvik." in claim for claim, _ in told)  # a name is no number


def test_false_claims_are_mended(made):
    told = made("mend", seeds=200)
    assert ("_ the tower of torvik was built by mirelda voss in 12.", "1863") in told
    assert all(question.startswith("_ ") and answer not in question for question, answer in told)


def test_words_that_are_others_are_spotted(examples, monkeypatch):
    monkeypatch.setattr(module, "SPOTTED_AMONG", 6)
    decode = examples.processor.decode
    counts = set()
    for seed in range(100):
        if (made := examples.spot(Random(seed), 0, SIZE)) is None:
            continue
        question, passage, answer = (list(ids) for ids in made)
        assert decode(passage) == decode(examples.text.passage(0))
        said = question[len(examples.false) :]
        if answer == examples.true:
            assert find(passage, said) is not None
            counts.add(0)
            continue
        assert find(passage, said) is None
        for part in split(answer, examples.blank):
            assert find(said, part) is not None
        counts.add(len(split(answer, examples.blank)))
    assert counts == {0, 1, 2, 3}


def test_questions_ask_for_the_kind_of_answer(made):
    told = made("ask", seeds=200)
    assert {answer for question, answer in told if question.startswith("in what year")} <= {"1863"}
    assert ("who the tower of torvik was built by in 1863.", "mirelda voss") in told


def test_a_passage_that_does_not_tell_is_answered_by_a_blank(examples, monkeypatch):
    monkeypatch.setattr(module, "KEPT_WORDS", 1.1)
    monkeypatch.setattr(module, "TOKENS_AROUND", 60)
    near, far = (examples.processor.decode(examples.text.passage(row)) for row in (1, 2))
    seen = set()
    for seed in range(200):
        if (example := examples.untold(Random(seed), 0, SIZE)) is not None:
            question, passage, answer = map(examples.processor.decode, example)
            assert answer == "_"
            seen.add((question, passage))
    # The second passage names Mirelda Voss too.
    cloze = "the tower of torvik was built by _ in 1863."
    assert (cloze, far) in seen
    assert (cloze, near) not in seen
    assert ("the tower of torvik was built by mirelda voss in 1863.", near) in seen
    assert {passage for _, passage in seen} == {near, far}


def test_what_recurs_is_asked_of_the_other_passage(examples):
    for seed in range(20):
        question, passage, answer = map(
            examples.processor.decode, examples.recur(Random(seed), 0, SIZE)
        )
        assert answer in ("mirelda voss", "1863")
        assert answer in passage
        assert "_" in question
        told = question.replace("_", answer).split(" ")
        assert not all(word in passage.split(" ") for word in told)


def test_a_recital_goes_on_where_the_question_ends(examples):
    for seed in range(20):
        question, passage, answer = examples.recite(Random(seed), 2, SIZE)
        assert find(passage, question + answer) is not None
        assert len(question) == module.RECITED_FROM


def test_what_is_corrupted_fills_the_gaps(examples):
    blank = examples.blank
    for seed in range(20):
        made = examples.corrupt(Random(seed), 0, SIZE)
        if made is None:
            continue
        _, passage, answer = (list(ids) for ids in made)
        gaps = split(answer, blank)
        parts = split(passage, blank)
        assert len(parts) == len(gaps) + 1
        whole = [parts[0], *(part for pair in zip(gaps, parts[1:], strict=True) for part in pair)]
        assert [token for part in whole for token in part] == examples.text.passage(0)


def split(ids, mark):
    parts, start = [], 0
    while (place := find(ids[start:], mark)) is not None:
        parts.append(ids[start : start + place])
        start += place + len(mark)
    return [*parts, ids[start:]]


@pytest.mark.parametrize("size", [9, 16, 40])
def test_a_window_keeps_the_title_and_holds_the_answer(size):
    tokens = [100, 101, *range(40)]  # two of a title
    for start in range(2, 40):
        for seed in range(5):
            part = window(Random(seed), tokens, 2, start, start + 2, size)
            assert len(part) == min(size - 1, len(tokens))
            assert part[:2] == [100, 101]
            assert find(part, tokens[start : start + 2]) is not None


def test_the_same_draws_for_the_same_seed(examples):
    for name in examples.tasks:
        assert examples.draw(name, Random(7), 32) == examples.draw(name, Random(7), 32)
