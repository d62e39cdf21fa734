import numpy as np
import pytest

from glimmer_keras import data, pipelines
from glimmer_keras.losses import answer_log_prob
from tests import EAGERLY, read

TEXTS = ["Torvik grew from a camp.", "Mirelda Voss settled in Torvik.", "The river."]
ROWS = np.array([[2, 0, -1], [1, -1, 2]], "int32")


@pytest.fixture(scope="module")
def reader(make_glimmer):
    reader = make_glimmer(8, 12, 4, 1, num_selected=None, dropout=0.0)
    reader.compile(run_eagerly=EAGERLY)
    return reader


@pytest.fixture(scope="module")
def tokens(reader):
    corpus = data.Corpus([data.Passage(str(i), "", text) for i, text in enumerate(TEXTS)])
    examples = [data.Example(str(n), "qa", q, ("Torvik",)) for n, q in enumerate(("Where?", "Who"))]
    task = data.Task("qa", examples).with_retrieved(ROWS)
    (task,), passages = pipelines.tokenize([task], corpus, reader.preprocessor)
    return task, passages


def test_it_is_what_each_passage_alone_tells(reader, tokens):
    task, corpus = tokens
    found = pipelines.answer_likelihoods(
        reader, task, corpus, batch_size=3, reduction="sum", progress=False
    )
    assert found.shape == ROWS.shape
    for (example, column), row in np.ndenumerate(ROWS):
        if row < 0:
            assert found[example, column] == -np.inf
            continue
        one = task.with_retrieved(np.full((2, 1), row, "int32"))
        inputs, labels, weights = one.batch(np.array([example]), np.array([0]), corpus)
        expected = answer_log_prob(read(reader, inputs)["logits"], labels, weights, "sum")
        assert found[example, column] == pytest.approx(float(np.asarray(expected)[0]), rel=1e-4)


def test_training_takes_those_that_are_kept(tokens):
    task, corpus = tokens
    kept = np.array([[-1.0, -2.0, -np.inf], [-3.0, -np.inf, -4.0]], "float32")
    told = task.with_likelihoods(kept)
    (batch,) = data.mixture([told], corpus, 2, training=False).take(1)
    np.testing.assert_array_equal(batch[0]["teacher_log_probs"], kept)
    (batch,) = data.mixture([told], corpus, 2, training=False, num_passages=2).take(1)
    np.testing.assert_array_equal(batch[0]["teacher_log_probs"], kept[:, :2])
    with pytest.raises(
        ValueError, match=r"`likelihoods` must .*\(2, 3\). Received: shape=\(2, 1\)"
    ):
        task.with_likelihoods(kept[:, :1])


def test_they_stay_with_the_rows_that_they_are_of(tokens):
    task, _ = tokens
    kept = np.array([[-1.0, -2.0, -np.inf], [-3.0, -np.inf, -4.0]], "float32")
    told = task.with_likelihoods(kept)
    np.testing.assert_array_equal(told.with_retrieved(ROWS[:, :2]).likelihoods, kept[:, :2])
    assert told.with_retrieved(ROWS[:, ::-1]).likelihoods is None
    assert told.with_retrieved(np.hstack([ROWS, ROWS])).likelihoods is None


def test_a_reader_that_selects_is_refused(make_glimmer, tokens):
    with pytest.raises(ValueError, match="`glimmer` must read each passage alone.*num_selected=2"):
        pipelines.answer_likelihoods(make_glimmer(8, 12, 4, 3), *tokens)
