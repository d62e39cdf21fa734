import numpy as np
import pytest

import glimmer_keras as gk
from glimmer_keras import data, pipelines

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
        return pipelines.RankedPassage(f"p{rank}", "", "", score, selected, rank, None)

    answers = [
        pipelines.Answer("q", "a", (passage(3, 2.0, True), passage(1, 1.0, True))),
        pipelines.Answer("q", "b", (passage(1, 0.5, True),)),
    ]
    answers[0] = pipelines.Answer("q", "a", (*answers[0].passages, passage(2, -1.0, False)))
    out = pipelines.Predictions.from_answers(answers)
    assert out.answers == ["a", "b"]
    assert out.passage_scores.tolist() == [[1.0, -1.0, 2.0], [0.5, -1e9, -1e9]]
    assert out.selected_passages.tolist() == [[2, 0], [0, -1]]
    unscored = pipelines.Answer("q", "c", (passage(1, None, True),))
    assert pipelines.Predictions.from_answers([unscored]).passage_scores is None


def test_without_a_scorer_there_is_no_ranking():
    assert pipelines.Predictions(["a"], None, None).ranking() is None
