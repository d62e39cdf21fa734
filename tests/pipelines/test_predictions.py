import json

import numpy as np
import pytest

import glimmer_keras as gk
from glimmer_keras import data, pipelines
from glimmer_keras.pipelines import Answer, RankedPassage

PASSAGES = {
    "Torvik": "Torvik grew from a camp that was made in 1863.",
    "Mirelda Voss": "Mirelda Voss would play the harp. Voss later settled in Torvik.",
    "The Marble Palace": "Critics often call The Marble Palace a fine romance.",
}
QUESTIONS = [
    "Where does Mirelda Voss live?",
    "What genre is The Marble Palace?",
    "Torvik [SEP] founding year",
]
ANSWERS = [("Torvik",), ("romance", "a romance"), ("1863",)]


@pytest.fixture(scope="module")
def corpus():
    return data.Corpus(
        [data.Passage(str(i), title, text) for i, (title, text) in enumerate(PASSAGES.items())]
    )


@pytest.fixture(scope="module")
def task():
    examples = [
        data.Example(str(i), "qa", question, answers)
        for i, (question, answers) in enumerate(zip(QUESTIONS, ANSWERS, strict=True))
    ]
    rows = np.array([[1, 0, 2], [2, 1, -1], [0, 2, 1]], "int32")
    return data.Task("qa", examples).with_retrieved(rows)


@pytest.fixture(scope="module")
def glimmer():
    glimmer = gk.Glimmer.from_t5("tiny_world", num_selected=2)
    glimmer.preprocessor = gk.GlimmerPreprocessor(glimmer.preprocessor.tokenizer, 16, 24, 6)
    return glimmer


@pytest.mark.smoke
def test_predictions_equal_generate_on_the_strings(glimmer, corpus, task):
    tokens, passages = pipelines.tokenize([task], corpus, glimmer.preprocessor)
    out = pipelines.predict(glimmer, tokens[0], passages, batch_size=2, progress=False)
    texts = task.batch(np.arange(3), np.zeros(3, int), corpus)
    expected = glimmer.generate({name: value.tolist() for name, value in texts.items()})
    assert out.answers == expected["answers"]
    np.testing.assert_allclose(out.passage_scores, expected["passage_scores"], rtol=1e-4)
    np.testing.assert_array_equal(out.selected_passages, expected["selected_passages"])
    np.testing.assert_array_equal(out.ranking()[:, :2], out.selected_passages)


def test_answers_of_a_reader_as_predictions():
    def passage(rank, score, selected):
        return RankedPassage(f"p{rank}", "", "", score, selected, rank, None)

    answers = [
        Answer("q", "a", (passage(3, 2.0, True), passage(1, 1.0, True))),
        Answer("q", "b", (passage(1, 0.5, True),)),
    ]
    answers[0] = Answer("q", "a", (*answers[0].passages, passage(2, -1.0, False)))
    out = pipelines.Predictions.from_answers(answers)
    assert out.answers == ["a", "b"]
    assert out.passage_scores.tolist() == [[1.0, -1.0, 2.0], [0.5, -1e9, -1e9]]
    assert out.selected_passages.tolist() == [[2, 0], [0, -1]]
    assert out.ranking().tolist() == [[2, 0, 1], [0, 1, 2]]
    unscored = Answer("q", "c", (passage(1, None, True),))
    assert pipelines.Predictions.from_answers([unscored]).passage_scores is None


def test_without_a_scorer_there_is_no_ranking():
    assert pipelines.Predictions(["a"], None, None).ranking() is None


# Its second character ends a line for `str.splitlines`, and not in JSON lines.
TITLE = "Ü\u2028lm"
ASKED = data.Task("qa", [data.Example(f"q{i}", "qa", f"who {i}?") for i in range(3)])


class Reader:
    """Answers with the question's number; the question `bad` is an interruption."""

    def __init__(self, bad=""):
        self.bad, self.asked = bad, []

    def answer_all(self, questions, passage_ids=None):
        for question in questions:
            if question == self.bad:
                raise KeyboardInterrupt
            self.asked.append(question)
            passages = (
                RankedPassage("p2", TITLE, "text", 1.5, True, 2, None),
                RankedPassage("p1", "", "text", None, False, 1, 3.0, "77", 2, 3),
            )
            yield Answer(question, question[4], passages)


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1]]


def test_how_many_questions_were_cut_is_told(tmp_path, caplog):
    reader = Reader()
    reader.questions_cut, reader.question_length = 2, 48
    pipelines.write_predictions(reader, ASKED, tmp_path / "out.jsonl")
    assert "2 of 3 questions were cut to 48 tokens" in caplog.text


def test_predictions_as_kilt_reads_them(tmp_path):
    pipelines.write_predictions(Reader(), ASKED, tmp_path / "out.jsonl")
    rows = lines(tmp_path / "out.jsonl")
    provenance = [
        {"passage_id": "p2", "title": TITLE, "score": 1.5},
        {
            **{"wikipedia_id": "77", "start_paragraph_id": 2, "end_paragraph_id": 3},
            **{"passage_id": "p1", "title": "", "score": None},
        },
    ]
    assert rows == [
        {"id": f"q{i}", "output": [{"answer": str(i), "provenance": provenance}]} for i in range(3)
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["out.jsonl"]
    asked = [row | {"input": "who?"} for row in rows]
    (tmp_path / "task.jsonl").write_text("\n".join(map(json.dumps, asked)))
    example = data.read_task(tmp_path / "task.jsonl")[2]
    assert example.answers == ("2",)
    assert [piece.passage_id for piece in example.evidence[0]] == ["p2", "p1"]


@pytest.mark.parametrize(("settings", "asked"), [({"k": 1}, ["who 1?", "who 2?"]), ({"k": 2}, 3)])
def test_it_goes_on_where_it_was_interrupted(tmp_path, settings, asked):
    out = tmp_path / "out.jsonl"
    with pytest.raises(KeyboardInterrupt):
        pipelines.write_predictions(Reader(bad="who 1?"), ASKED, out, {"k": 1})
    assert not out.exists()
    with (tmp_path / "out.jsonl.part").open("a") as file:
        file.write('{"id": "half a li')
    reader = Reader()
    pipelines.write_predictions(reader, ASKED, out, settings)
    assert reader.asked == asked or len(reader.asked) == asked
    assert [row["id"] for row in lines(out)] == ["q0", "q1", "q2"]
