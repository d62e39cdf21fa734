import json
import random

import numpy as np
import pytest

import glimmer_keras as gk
from glimmer_keras.data import Corpus, Passage
from recipes.pretraining import clozes, passages, phases

TEXTS = (
    "The tower of Torvik was built by Mirelda Voss in 1863. It has 12 bells and a clock.",
    "Dunvale lies on the river Isk. Odrick Ashgrove founded the town near 1790 with 30 others.",
    "In the harbour of Almere a ship of Fenna Hollin burned. About 200 people saw the fire.",
)


def some_passages():
    return [Passage(f"p{n}", f"Title {n}", text) for n, text in enumerate(TEXTS)]


def test_spans_are_names_and_numbers_of_their_sentence():
    found = [(sentence[:3], span.group()) for sentence, span in clozes.spans(some_passages()[0])]
    assert found == [
        ("The", "Torvik"),
        ("The", "Mirelda Voss"),
        ("The", "1863"),
        ("It ", "12"),
    ]


def test_questions_of_a_span_without_leaving_words_out(monkeypatch):
    monkeypatch.setattr(clozes, "KEPT_WORDS", 1.1)
    sentence, span = list(clozes.spans(some_passages()[0]))[1]
    made = {}
    for seed in range(20):
        for name, question, answer in clozes.made_of(
            random.Random(seed), some_passages()[0], sentence, span, ["Fenna Hollin", "1790"]
        ):
            made.setdefault(name, set()).add((question, answer))
    assert made["cloze"] == {("The tower of Torvik was built by _ in 1863.", "Mirelda Voss")}
    assert made["slots"] == {("Title 0 [SEP] was built by in 1863.", "Mirelda Voss")}
    assert made["claims"] == {
        ("The tower of Torvik was built by Mirelda Voss in 1863.", "SUPPORTS"),
        ("The tower of Torvik was built by Fenna Hollin in 1863.", "REFUTES"),
    }


@pytest.mark.parametrize(
    ("answer", "before", "firsts"),
    [
        ("1863", ["built", "in"], {"when", "in what year", "what year"}),
        ("12", ["It", "has"], {"how many", "how much", "what", "when"}),
        ("Torvik", ["tower", "in"], {"where", "what", "which"}),
        ("Mirelda Voss", ["built", "by"], {"who", "what", "which", "what is the name of"}),
    ],
)
def test_questions_ask_for_the_kind_of_answer(monkeypatch, answer, before, firsts):
    monkeypatch.setattr(clozes, "KEPT_WORDS", 1.1)
    start = " ".join(before)
    endings = [f"{start} long ago", f"long ago. {start}"]
    formal = {f"{first} {end}?" for first in firsts for end in endings}
    hurried = {f"{first} {end}" for first in firsts for end in endings}
    expected = {text[0].upper() + text[1:] for text in formal} | {t.lower() for t in hurried}
    rngs = map(random.Random, range(400))
    assert {clozes.asked(rng, before, answer, ["long", "ago."]) for rng in rngs} == expected


def test_a_claim_without_another_name_is_true(monkeypatch):
    passage = Passage("1", "", "the Torvik")
    ((sentence, span),) = clozes.spans(passage)
    for seed in range(10):
        made = list(clozes.made_of(random.Random(seed), passage, sentence, span, ["Torvik"]))
        assert [name for name, *_ in made] == ["cloze", "claims", "questions"]  # no title, no slot
        assert made[1][2] == "SUPPORTS"


def test_reciting_goes_on_where_the_question_ends():
    passage = Passage("1", "", " ".join(f"w{n}" for n in range(40)))
    made = list(clozes.recited(random.Random(0), passage, 64))
    assert len(made) == 2
    for question, answer in made:
        first = int(question.split()[0][1:])
        told = [f"w{n}" for n in range(first, min(first + 24, 40))]
        assert f"{question} {answer}".split() == told
        assert len(question.split()) == 4
    assert list(clozes.recited(random.Random(0), Passage("1", "", "w " * 8), 64)) == []


def test_tasks_without_examples_are_left_out():
    short = [Passage(str(n), "", f"A ship of Almere had {n} men.") for n in range(8)]
    tasks = passages.reading_tasks(Corpus(short))
    assert [task.name for task in tasks] == ["cloze", "claims", "questions"]
    assert all(len(task) > 0 for task in tasks)


def test_the_own_passage_comes_first_and_once():
    found = np.array([[4, 2, 7], [1, 0, 3]])
    rows = passages.own_first(np.array([[2], [5]]), found)
    assert rows.tolist() == [[2, 4, 7], [5, 1, 0]]


@pytest.mark.once_on("tensorflow")
def test_tiny_run_writes_a_preset_that_loads(tmp_path, monkeypatch, eager, micro_t5):
    # The first and the last phase: reciting one passage, and reranking of eight.
    monkeypatch.setattr(passages, "PHASES", passages.PHASES[::4])
    monkeypatch.setattr(passages, "START", micro_t5)
    monkeypatch.setitem(phases.READERS["glimmer"], "live_proportion", 1 / 2)
    monkeypatch.setitem(phases.READERS["glimmer"], "rerank_proportion", 1.0)
    data, output = tmp_path / "data", tmp_path / "t5"
    data.mkdir()
    rows = [
        {"id": f"{p.id}-{n}", "title": p.title, "text": f"{p.text} Page {n} of many."}
        for p in some_passages()
        for n in range(4)
    ]
    (data / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (data / "qa-train.jsonl").write_text("not read")
    command = ["--data", str(data), "--output", str(output)]
    assert passages.main([*command, "--shorten", "400", "--vocabulary-size", "300"]) == 0
    report = json.loads((output / "report.json").read_text())
    assert [phase["steps"] for phase in report["phases"]] == [2, 1]
    assert report["passages"] == 12
    reader = gk.Glimmer.from_t5(str(output), num_selected=1)
    assert reader.backbone.vocabulary_size == reader.preprocessor.tokenizer.vocabulary_size()


@pytest.mark.parametrize(
    ("options", "texts", "message"),
    [
        ("--shorten 0", TEXTS, "`--shorten` must be at least 1. Received: 0"),
        ("--vocabulary-size 5", TEXTS, "`--vocabulary-size` does not do for these texts:"),
        ("", ("no name and no number",), "`--data` must hold passages with names or numbers"),
        ("--output DATA", TEXTS, "`--output` must be a new folder. Received: "),
        ("--data nowhere", TEXTS, "nowhere/corpus.jsonl"),
        ("--shorten a", TEXTS, "argument --shorten: invalid int value: 'a'"),
    ],
)
def test_bad_options(tmp_path, capsys, options, texts, message):
    rows = [{"id": str(n), "title": "Torvik", "text": text} for n, text in enumerate(texts)]
    (tmp_path / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    output = tmp_path / "t5"
    asked = options.replace("DATA", str(tmp_path)).split()
    assert passages.main(["--data", str(tmp_path), "--output", str(output), *asked]) == 2
    printed = capsys.readouterr().err
    assert message in printed
    assert printed.startswith("error: ")
    assert printed.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["corpus.jsonl"]


@pytest.mark.parametrize("text", ["It is.", "no capital and no number here", ""])
def test_a_passage_without_spans_gives_no_question(text):
    assert list(clozes.spans(Passage("1", "", text))) == []
