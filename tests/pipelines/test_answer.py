import dataclasses
import json

import numpy as np
import pytest

from glimmer_keras.data import Passage
from glimmer_keras.pipelines import Answer, RankedPassage
from glimmer_keras.pipelines.answer import (
    as_written,
    best_first,
    rank_passages,
    with_sentences,
)

READ = RankedPassage("p2", "Torvik", "A town.", 1.234, True, 2, 0.5)
LEFT = RankedPassage("p1", "", "A river.", -3.0, False, 1, 0.7)


def test_selected_are_those_read():
    assert Answer("q", "a", (READ, LEFT)).selected == (READ,)


def test_as_text():
    assert str(Answer("q", "Ulm", (READ, LEFT))) == "Ulm\n    1.23  [p2] Torvik: A town."
    unscored = RankedPassage("p1", "", "A river.", None, True, 1, None)
    assert str(Answer("q", "Ulm", (unscored,))) == "Ulm\n  [p1] A river."


@pytest.mark.parametrize("title", ["Torvik", ""])
def test_content_is_what_the_reader_was_given(title):
    passage = RankedPassage("p2", title, "A town.", None, True, 1, None)
    assert passage.content == Passage("p2", title, "A town.").content
    with pytest.raises(dataclasses.FrozenInstanceError):
        passage.score = 1.0


def test_an_uncased_answer_is_written_as_the_first_passage_read_writes_it():
    passages = [
        RankedPassage("1", "", "İzmir grew.", None, True, 1, None),
        RankedPassage("2", "Torvik", "Mirelda VOSS.", None, True, 2, None),
        RankedPassage("3", "", "MIRELDA VOSS.", None, True, 3, None),
    ]
    assert as_written("mirelda voss", passages) == "Mirelda VOSS"
    assert as_written("torvik", passages) == "Torvik"
    assert as_written("almere", passages) == "almere"
    assert as_written("", passages) == ""


def test_capitals_accents_and_blanks_do_not_matter():
    text = "The U.S. grew. The 3,000 well-known cafés of İzmir, e\u0301tude art; Smart"
    passages = [RankedPassage("1", "", text, None, True, 1, None)]
    for small, written in (
        ("u. s.", "U.S."),
        ("3, 000 well - known cafes", "3,000 well-known cafés"),
        ("izmir", "İzmir"),
        ("etude", "e\u0301tude"),
        ("art", "art"),
        ("mart", "mart"),
    ):
        assert as_written(small, passages) == written


def test_selected_passages_come_first_and_then_the_others_by_score():
    scores = np.array([[1.0, 5.0, 3.0, 4.0], [0.0, 0.0, 0.0, 0.0], [2.0, 3.0, 1.0, 0.0]])
    selected = np.array([[2, 0], [3, -1], [-1, -1]])
    assert best_first(scores, selected).tolist() == [[2, 0, 1, 3], [3, 0, 1, 2], [1, 0, 2, 3]]


def test_passages_of_an_answer():
    passages = [Passage(name, "", name) for name in "abc"]
    scores, selected = np.array([1.0, 3.0, 2.0, -1e9], "float32"), np.array([1, 3])
    ranked = rank_passages(passages, scores, selected, np.array([9.0, 8.0, 7.0, 0.0]))
    assert [(p.id, p.score, p.selected) for p in ranked] == [
        ("b", 3.0, True),
        ("c", 2.0, False),
        ("a", 1.0, False),
    ]
    assert [(p.retrieval_rank, p.retrieval_score) for p in ranked] == [(2, 8.0), (3, 7.0), (1, 9.0)]
    unscored = rank_passages(passages, None, None, None)
    assert [(p.id, p.score, p.selected, p.retrieval_score) for p in unscored] == [
        (name, None, True, None) for name in "abc"
    ]


def test_the_sentence_that_has_the_answer_is_marked():
    text = "Isk is a river. Mirelda Voss, who was born in Torvik in 1863, lives there. Torvik grew."
    passages = [
        RankedPassage("1", "Torvik", text, None, True, 1, None),
        RankedPassage("2", "", "The Torvikers came.", None, True, 2, None),
        RankedPassage("3", "", "Torvik.", None, False, 3, None),
    ]
    found = [passage.sentence for passage in with_sentences(passages, "torvik")]
    expected = "Mirelda Voss, who was born in Torvik in 1863, lives there."
    assert found == [expected, "", ""]
    assert [passage.sentence for passage in with_sentences(passages, "The")] == ["", "", ""]


def test_as_plain_values():
    found = json.loads(json.dumps(Answer("q", "Ulm", (READ,), 0.5).to_dict()))
    assert found.pop("passages") == [dataclasses.asdict(READ) | {"fields": {}}]
    assert found == {"question": "q", "text": "Ulm", "confidence": 0.5}
