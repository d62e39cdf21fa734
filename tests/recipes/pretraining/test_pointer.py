import json
from random import Random

import numpy as np
import pytest

from recipes.pretraining.pointer import (
    LENGTH,
    Pair,
    Words,
    inputs_of,
    log_likelihoods,
    plain,
    point,
)
from recipes.pretraining.pointing import Pointing
from recipes.pretraining.questions import Question, Questions

WORDS = ["[UNK]", "[CLS]", "[SEP]", "who", "tor", "##vik", "mir", "##eld", "##a", "voss", "built"]


@pytest.fixture(scope="module")
def words(tmp_path_factory, model):
    folder = tmp_path_factory.mktemp("bert")
    numbers = {word: number for number, word in enumerate(WORDS)}
    (folder / "tokenizer.json").write_text(json.dumps({"model": {"vocab": numbers}}))
    return Words(folder, model)


def test_a_pair_knows_where_its_pieces_are_from(words, examples):
    question = examples.processor.encode("who built Torvik")
    passage = examples.processor.encode("Mirelda Voss built Torvik.")
    pair = words.pair(question, passage)
    named = [WORDS[i] for i in pair.ids]
    assert named[:6] == ["[CLS]", "who", "built", "tor", "##vik", "[SEP]"]
    told = ["mir", "##eld", "##a", "voss", "built", "tor", "##vik", "[UNK]"]
    assert named[6:] == [*told, "[SEP]"]
    start, end = pair.place(0, len(examples.processor.encode("Mirelda Voss")))
    assert named[start : end + 1] == ["mir", "##eld", "##a", "voss"]
    part = passage[pair.first[start - pair.begin] : pair.last[end - pair.begin] + 1]
    assert examples.processor.decode(part) == "mirelda voss"
    assert pair.place(len(passage), len(passage) + 1) is None


def test_accents_go_and_lengths_stay():
    assert [plain(c) for c in "éßç한1"] == ["e", "ß", "c", "한", "1"]


class Fixed:
    """Gives the logits it has."""

    def __init__(self, start, end):
        self.outputs = {"start": start, "end": end}

    def predict_on_batch(self, inputs):
        assert inputs["token_ids"].shape == (1, LENGTH)
        return self.outputs


def test_it_points_at_the_likeliest_span():
    # [CLS], one of the question, [SEP], and four of the passage.
    pair = Pair([1, 3, 2, 4, 5, 6, 7, 2], 3, [0, 1, 2, 3], [0, 1, 2, 3])
    inputs = inputs_of([pair])
    assert inputs["inside"][0, :9].tolist() == [1, 0, 0, 1, 1, 1, 1, 0, 0]
    assert inputs["padding_mask"].sum() == 8
    assert inputs["segment_ids"].sum() == 5
    start, end = np.full((2, 1, LENGTH), -1e9, "float32")
    start[0, [0, 4, 6]] = np.log([0.2, 0.3, 0.5])
    end[0, [0, 3, 5]] = np.log([0.1, 0.5, 0.4])
    # An end before the start is none, so the likeliest start has no end.
    (found,) = point(Fixed(start, end), [pair])
    assert (found.start, found.end) == (1, 3)
    assert found.told == pytest.approx(np.log(0.3 * 0.4), abs=1e-5)
    assert found.untold == pytest.approx(np.log(0.2 * 0.1), abs=1e-5)
    # Of spans that are given, of which one comes twice and one is cut off.
    told = log_likelihoods(Fixed(start, end), [pair], [[(1, 3), (1, 3), (0, 1), (9, 10)]])
    assert told.tolist() == pytest.approx([np.log(0.3 * 0.4)], abs=1e-5)
    assert log_likelihoods(Fixed(start, end), [pair], [[]]).tolist() == [-np.inf]


def test_labels_are_where_the_answer_is(words, examples):
    encode = examples.processor.encode
    passages = [encode("Torvik: The tower of Torvik was built by Mirelda Voss in 1863.")]
    passages.append(encode("Almere: In the harbour a ship burned."))
    answer = encode("Mirelda Voss")
    start = next(n for n in range(99) if passages[0][n : n + len(answer)] == answer)
    asked = [Question(encode("who built it"), [answer], 0, start, start + len(answer))]
    asked.append(Question(encode("what colour"), [encode("red")], 1, 3, 4))
    questions = Questions(passages, [2, 2], {"qa": asked, "none": asked[1:]}, [0], [5])
    pointing = Pointing(questions, words, 4, seed=1)
    assert list(pointing.tasks) == ["qa"]
    drawn = {pointing.draw("qa", Random(seed))[1:] for seed in range(40)}
    inputs, labels = pointing.batch(0)
    (untold, (start, end)) = sorted(drawn)
    assert untold == (0, 0)
    told = labels["start"].tolist().index(start)
    pieces = [WORDS[i] for i in inputs["token_ids"][told, start : end + 1]]
    assert pieces == ["mir", "##eld", "##a", "voss"]
    again, _ = pointing.batch(0)
    np.testing.assert_array_equal(again["token_ids"], inputs["token_ids"])
