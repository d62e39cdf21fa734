import logging

import numpy as np
import pytest

from glimmer_keras.data import (
    Corpus,
    Example,
    Passage,
    Task,
    TokenSpec,
    tokenize_corpus,
    tokenize_task,
)


def letters(texts):
    return [[ord(character) - ord("a") + 3 for character in text] for text in texts]


SPEC = TokenSpec(letters, "x", 30, start_id=2)
CORPUS = Corpus([Passage("1", "", "ab"), Passage("2", "", "c")])
TASK = Task(
    "t",
    [
        Example("1", "t", "abcde", ("a", "bcd")),
        Example("2", "t", "b"),
        Example("3", "t", "cc", ("ab",)),
    ],
    np.array([[1, 0], [0, -1], [-1, 1]]),
)


def test_arrays(caplog):
    with caplog.at_level(logging.INFO, "glimmer_keras"):
        task = tokenize_task(TASK, SPEC, 4, 3)
    np.testing.assert_array_equal(
        task.question_token_ids, [[3, 4, 5, 6], [4, 0, 0, 0], [5, 5, 0, 0]]
    )
    np.testing.assert_array_equal(task.question_lengths, [4, 1, 2])
    np.testing.assert_array_equal(task.answer_token_ids, [[3, 1, 0], [4, 5, 1], [3, 4, 1]])
    np.testing.assert_array_equal(task.answer_lengths, [2, 3, 3])
    np.testing.assert_array_equal(task.answer_offsets, [0, 2, 2, 3])
    np.testing.assert_array_equal(task.answer_counts, TASK.answer_counts)
    assert task.truncated == {"questions": 1, "answers": 1}
    assert caplog.messages == [
        "1 of 3 questions of t were truncated to 4 tokens",
        "1 of 3 answers of t were truncated to 3 tokens",
    ]
    assert repr(task) == (
        "TokenizedTask('t', 3 examples, 4 question and 3 answer tokens, retrieved=(3, 2))"
    )


def test_batch_is_the_training_triple():
    task, corpus = tokenize_task(TASK, SPEC, 4, 3), tokenize_corpus(CORPUS, SPEC, 3)
    x, y, weights = task.batch(np.array([2, 0, 1]), np.array([0, 1, 0]), corpus)
    expected = {
        "question_token_ids": [[5, 5, 0, 0], [3, 4, 5, 6], [4, 0, 0, 0]],
        "question_padding_mask": [[1, 1, 0, 0], [1, 1, 1, 1], [1, 0, 0, 0]],
        "passage_token_ids": [
            [[0, 0, 0], [5, 1, 0]],
            [[5, 1, 0], [3, 4, 1]],
            [[3, 4, 1], [0, 0, 0]],
        ],
        "passage_padding_mask": [
            [[0, 0, 0], [1, 1, 0]],
            [[1, 1, 0], [1, 1, 1]],
            [[1, 1, 1], [0, 0, 0]],
        ],
        "decoder_token_ids": [[2, 3, 4], [2, 4, 5], [2, 0, 0]],
        "decoder_padding_mask": [[1, 1, 1], [1, 1, 1], [1, 0, 0]],
    }
    assert x.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(x[name], values, err_msg=name)
        assert x[name].dtype == (np.bool_ if name.endswith("mask") else np.int32)
    np.testing.assert_array_equal(y, [[3, 4, 1], [4, 5, 1], [0, 0, 0]])
    np.testing.assert_array_equal(weights, [[1, 1, 1], [1, 1, 1], [0, 0, 0]])
    assert (y.dtype, weights.dtype) == (np.int32, np.float32)


def test_disk_and_memory_agree(tmp_path):
    fresh, corpus = tokenize_task(TASK, SPEC, 4, 3), tokenize_corpus(CORPUS, SPEC, 3)
    tokenize_task(TASK, SPEC, 4, 3, tmp_path)
    moved = TASK.with_retrieved(np.array([[0], [1], [0]]))
    kept = tokenize_task(moved, SPEC, 4, 3, tmp_path)
    assert len([*tmp_path.iterdir()]) == 1
    assert isinstance(kept.question_token_ids, np.memmap)
    np.testing.assert_array_equal(kept.retrieved, [[0], [1], [0]])
    numbers = np.array([0, 1, 2]), np.array([1, 0, 0])
    x, y, weights = kept.with_retrieved(TASK.retrieved).batch(*numbers, corpus)
    fresh_x, fresh_y, fresh_weights = fresh.batch(*numbers, corpus)
    for name in x:
        np.testing.assert_array_equal(x[name], fresh_x[name])
    np.testing.assert_array_equal(y, fresh_y)
    np.testing.assert_array_equal(weights, fresh_weights)


def test_a_task_without_any_answer(tmp_path):
    task = tokenize_task(Task("t", [TASK[1]]), SPEC, 4, 3, tmp_path)
    x, y, weights = task.with_retrieved(np.array([[0]])).batch(
        np.array([0]), np.array([0]), tokenize_corpus(CORPUS, SPEC, 3)
    )
    np.testing.assert_array_equal(x["decoder_token_ids"], [[2, 0, 0]])
    assert not y.any()
    assert not weights.any()


def test_errors():
    corpus = tokenize_corpus(CORPUS, SPEC, 3)
    task = tokenize_task(TASK, SPEC, 4, 3)
    with pytest.raises(ValueError, match=r"`answers` must be from 0 to below \[2\]\. .*=\[2\]"):
        task.batch(np.array([0]), np.array([2]), corpus)
    with pytest.raises(ValueError, match=r"`retrieved` must be of shape \(3, passages\)"):
        task.with_retrieved(np.array([[0]]))
    with pytest.raises(ValueError, match=r"`retrieved` must be set\. Received: None in task 't'"):
        tokenize_task(Task("t", [TASK[0]]), SPEC, 4, 3).batch([0], [0], corpus)
