import json
from itertools import count
from random import Random

import keras_hub
import pytest

from glimmer_keras.data import read_corpus
from recipes.pretraining import ask, held_out
from recipes.pretraining.asker import Asked, Span
from recipes.pretraining.held_out import training_tasks
from recipes.pretraining.question_file import prepare_questions


class Counting:
    """Asks the same of the spans of three passages, and finds every other question answered."""

    def __init__(self, text, question):
        self.text, self.question = text, question
        self.parts, self.numbers = [], None

    def restart(self, number):
        self.parts.append(number)
        self.numbers = count(100 * number)
        return Random(number)

    def spans(self, rng):
        while True:
            row = next(self.numbers) % 3
            yield Span("qa", row, *self.text.spans(row)[0].tolist())

    def ask(self, spans, rng):
        return [Asked(self.question, span) for span in spans]

    def answered(self, asked):
        return asked[::2]


def test_questions_are_made_in_parts_once(tmp_path, monkeypatch, text, examples, model):
    monkeypatch.setattr(ask, "PART", 8)
    monkeypatch.setattr(ask, "AT_ONCE", 4)
    asker = Counting(text, examples.processor.encode("what is it"))
    parts = tmp_path / "parts"
    ask.make(asker, parts, 20)
    assert asker.parts == [0, 1, 2]
    whole = [json.loads(file.read_text()) for file in sorted(parts.iterdir())]
    assert [len(part) for part in whole] == [4, 4, 4]
    (parts / "00001.json").unlink()
    ask.make(asker, parts, 20)
    assert asker.parts == [0, 1, 2, 1]
    assert [json.loads(file.read_text()) for file in sorted(parts.iterdir())] == whole

    ask.write_questions(tmp_path / "made", parts, text, examples.processor)
    corpus = read_corpus(tmp_path / "made" / "corpus.jsonl")
    (task,) = training_tasks(tmp_path / "made")
    assert (task.name, len(corpus), len(task)) == ("qa_made", 3, 12)
    for asked in task:
        ((row,),) = corpus.evidence_rows(asked)
        assert asked.question == "what is it"
        assert asked.answers[0] in corpus[row].text
    assert corpus[0].title == "torvik"

    # Pretraining takes them as it takes those of people, with the same tokens.
    monkeypatch.setattr(held_out, "HELD_ONE_IN", 10**9)
    file = tmp_path / "questions.json"
    prepare_questions(file, [tmp_path / "made"], model)
    kept = json.loads(file.read_text())
    assert len(kept["tasks"]["qa_made"]) == 12
    assert sorted(kept["passages"]) == sorted(text.passage(row) for row in range(3))
    for question, (answer,), passage, start, end, _ in kept["tasks"]["qa_made"]:
        assert question == examples.processor.encode("what is it")
        assert kept["passages"][passage][start:end] == answer


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--steps 0", "`--steps` must be at least 1. Received: 0"),
        ("--questions 0", "`--questions` must be at least 1. Received: 0"),
        ("--pointer-steps -1", "`--pointer-steps` must be at least 1. Received: -1"),
        ("", "questions.json must be there"),
    ],
)
def test_what_is_wrong_is_told(options, message, tmp_path, capsys):
    command = ["--run", str(tmp_path), "--bert", "b", "--output", str(tmp_path / "made")]
    assert ask.main([*command, *options.split()]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "made").exists()


def tiny_bert(folder, words):
    """A BERT of fresh weights, with the words given."""
    backbone = keras_hub.models.BertBackbone(
        len(words), num_layers=1, num_heads=1, hidden_dim=8, intermediate_dim=8, dropout=0.0
    )
    backbone.save_to_preset(str(folder))
    numbers = {word: number for number, word in enumerate(words)}
    (folder / "tokenizer.json").write_text(json.dumps({"model": {"vocab": numbers}}))
    return folder
