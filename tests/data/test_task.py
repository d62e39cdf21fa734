import numpy as np
import pytest

from glimmer_keras.data import Corpus, Example, Passage, Task

CORPUS = Corpus([Passage("a", "A", "one"), Passage("b", "", "two"), Passage("c", "C", "three")])
EXAMPLES = [
    Example("1", "t", "q1", ("x", "y")),
    Example("2", "t", "q2", ("z",)),
    Example("3", "t", "q3"),
]
ROWS = np.array([[2, 0], [1, -1], [-1, -1]])


def test_is_a_sequence():
    task = Task("t", EXAMPLES, ROWS)
    assert len(task) == 3
    assert task[1].id == "2"
    assert repr(task) == "Task('t', 3 examples, retrieved=(3, 2))"
    assert repr(Task("t", EXAMPLES)) == "Task('t', 3 examples, retrieved=None)"
    np.testing.assert_array_equal(task.answer_counts, [2, 1, 0])


def test_batch_of_strings():
    task = Task("t", EXAMPLES).with_retrieved(ROWS)
    batch = task.batch(np.array([2, 0, 1]), np.array([0, 1, 0]), CORPUS)
    assert batch["questions"].tolist() == ["q3", "q1", "q2"]
    assert batch["answers"].tolist() == ["", "y", "z"]
    assert batch["passages"].tolist() == [["", ""], ["C: three", "A: one"], ["two", ""]]
    assert {array.dtype for array in batch.values()} == {np.dtype(object)}


def test_take_keeps_retrieved_rows():
    task = Task("t", EXAMPLES, ROWS).take(2)
    assert [example.id for example in task] == ["1", "2"]
    np.testing.assert_array_equal(task.retrieved, ROWS[:2])
    assert task.retrieved.dtype == np.int32
    assert len(task.take(9)) == 2
    with pytest.raises(ValueError, match=r"`count` must be at least 1\. Received: count=0"):
        task.take(0)


def test_fingerprint_is_of_questions_and_answers():
    task = Task("t", EXAMPLES)
    assert task.fingerprint == Task("u", EXAMPLES, ROWS).fingerprint
    assert task.fingerprint != task.take(2).fingerprint


def test_selected_examples_keep_their_rows():
    task = Task("t", EXAMPLES, ROWS).select(np.array([2, 0]))
    assert [example.id for example in task] == ["3", "1"]
    np.testing.assert_array_equal(task.retrieved, [[-1, -1], [2, 0]])
    assert Task("t", EXAMPLES).select(np.array([1])).retrieved is None


def test_only_what_cannot_be_written_to_is_not_copied():
    rows = ROWS.astype("int32")
    assert not np.shares_memory(Task("t", EXAMPLES, rows).retrieved, rows)
    rows.flags.writeable = False
    assert np.shares_memory(Task("t", EXAMPLES, rows).retrieved, rows)


@pytest.mark.parametrize(
    ("rows", "error", "message"),
    [
        (np.zeros((2, 2), int), ValueError, r"of shape \(3, passages\)\. Received: shape=\(2, 2\)"),
        (np.zeros(3, int), ValueError, r"of shape \(3, passages\)\. Received: shape=\(3,\)"),
        (np.zeros((3, 0), int), ValueError, r"Received: shape=\(3, 0\)"),
        (np.zeros((3, 1)), TypeError, r"must hold integers\. Received: dtype=float64"),
        (np.full((3, 1), -2), ValueError, r"-1 for a missing passage\. Received: -2"),
    ],
)
def test_retrieved_errors(rows, error, message):
    with pytest.raises(error, match=message):
        Task("t", EXAMPLES, rows)


def test_errors():
    with pytest.raises(ValueError, match=r"`examples` must hold at least one\. Received: 0 in tas"):
        Task("t", [])
    with pytest.raises(ValueError, match=r"`retrieved` must be set\. Received: None in task 't'"):
        Task("t", EXAMPLES).batch(np.array([0]), np.array([0]), CORPUS)
