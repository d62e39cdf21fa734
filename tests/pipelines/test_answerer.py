import numpy as np
import pytest

from glimmer_keras.data import Corpus, Passage, TokenSpec
from glimmer_keras.pipelines import Answerer
from glimmer_keras.pipelines.passage_sources import CorpusSource

CORPUS = Corpus(
    [Passage(name, "", text) for name, text in zip("abcd", ("x", "x y", "z", "y"), strict=True)]
)


def tokenize(texts):
    return [[2 + "xyz".index(word) for word in text.split() if word in "xyz"] for text in texts]


SPEC = TokenSpec(tokenize, "words", 8, pad_id=0, end_id=1, start_id=0)


class Rows:
    """Retrieves the rows that a question names."""

    def __len__(self):
        return len(CORPUS)

    def search(self, questions, k):
        rows = [
            ([int(word) for word in q.split() if word.isdecimal()] + [-1] * k)[:k]
            for q in questions
        ]
        return np.array(rows, "int32"), np.arange(k, 0, -1) * np.ones((len(questions), 1))


class Echo(Answerer):
    """Answers with the passages' tokens; the longest passage is the most relevant."""

    def __init__(self, retriever=None, **options):
        super().__init__(
            CorpusSource(CORPUS, SPEC, 3),
            retriever,
            SPEC,
            **{
                "question_length": 2,
                "passage_lengths": [2, 3],
                "num_passages": 2,
                "batch_size": 2,
                "fill": True,
            }
            | options,
        )
        self.batches = []

    def run(self, inputs):
        self.batches.append(inputs)
        lengths = inputs["passage_padding_mask"].sum(axis=-1)
        texts = [str(row.tolist()) for row in inputs["passage_token_ids"]]
        best = np.argsort(-lengths, axis=1, kind="stable")[:, :1]
        return {
            "answers": texts,
            "passage_scores": lengths.astype("float32"),
            "selected_passages": best,
        }


def test_answers_of_an_uncased_tokenizer_are_as_passages_write_them():
    spec = TokenSpec(lambda texts: [[2] * len(text) for text in texts], "lengths", 8)
    corpus = Corpus([Passage("a", "Torvik", "A town.")])

    class Small(Echo):
        def run(self, inputs):
            return super().run(inputs) | {"answers": ["torvik"]}

    echo = Small()
    echo._source, echo._spec = CorpusSource(corpus, spec, 3), spec
    assert echo.ask(["x"], [["a"]])[0].text == "torvik"
    echo._uncased = True
    assert echo.ask(["x"], [["a"]])[0].text == "Torvik"


def test_passages_are_found_padded_answered_and_ranked():
    echo = Echo(Rows())
    answers = echo.ask(["x 0 1", "x y z 2", "y"])
    assert [answer.text for answer in answers] == [
        "[[2, 1, 0], [2, 3, 1]]",
        "[[4, 1, 0], [0, 0, 0]]",
        "",  # found nothing
    ]
    assert [[(p.id, p.score, p.selected) for p in answer.passages] for answer in answers] == [
        [("b", 3.0, True), ("a", 2.0, False)],
        [("c", 2.0, True)],
        [],
    ]
    assert [p.retrieval_score for p in answers[0].passages] == [1.0, 2.0]
    assert [len(batch["question_token_ids"]) for batch in echo.batches] == [2, 2]
    assert echo.batches[0]["question_token_ids"].tolist() == [[2, 0], [2, 3]]
    assert echo.batches[0]["question_padding_mask"].tolist() == [[True, False], [True, True]]


def test_nothing_to_read_and_too_much():
    echo = Echo()
    first, second = echo.ask(["x", "y"], [["b"], []])
    assert [p.id for p in first.passages] == ["b"]
    assert (second.text, second.passages) == ("", ())
    with pytest.raises(ValueError, match="as many questions as passages are given for"):
        list(echo.answer_all(["x"], [["b"], ["a"]]))


def test_one_question_is_a_batch_of_its_own_and_others_are_filled_up_or_not():
    for fill, sizes in ((True, [1, 2, 2]), (False, [1, 2, 1])):
        echo = Echo(Rows(), fill=fill)
        assert echo.answer("x 1") == echo.ask(["x 1", "y 0", "z 2"])[0]
        assert [len(batch["passage_token_ids"]) for batch in echo.batches] == sizes


def test_ids_and_passages_in_place_of_a_retriever():
    echo = Echo()
    by_id = echo.ask(["x", "y"], [["b"], ["d", "a"]])
    given = [[CORPUS[1]], [CORPUS[3], CORPUS[0]]]
    assert echo.ask(["x", "y"], passages=given) == by_id
    assert [p.id for p in by_id[1].passages] == ["d", "a"]
    assert {p.retrieval_score for answer in by_id for p in answer.passages} == {None}
    assert list(echo.answer_all(iter(["x", "y"]), iter([["b"], ["d", "a"]]))) == by_id


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "`batch_size` must be at least 1. Received: batch_size=0"),
        ({"retriever": [1, 2]}, "`retriever` must be over the 4 passages .* one over 2"),
    ],
)
def test_what_does_not_fit(options, message):
    with pytest.raises(ValueError, match=message):
        Echo(**options)
