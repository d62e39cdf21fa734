from itertools import islice

import numpy as np
import pytest

from glimmer_keras.data import MixtureSampler
from glimmer_keras.data.mixture_sampler import BLOCK

COUNTS = [np.array([1, 2, 3]), np.full(50, 4), np.ones(7, int)]


def stream(sampler, first, steps):
    draws = [sampler.batch(step) for step in range(first, first + steps)]
    return [np.concatenate(column) for column in zip(*draws, strict=True)]


def test_every_epoch_of_a_task_visits_each_example_once():
    tasks, examples, answers = stream(MixtureSampler(COUNTS, 16, seed=3), 0, 60)
    for task, counts in enumerate(COUNTS):
        visited = examples[tasks == task]
        epochs = len(visited) // len(counts)
        assert epochs >= 2
        orders = visited[: epochs * len(counts)].reshape(epochs, len(counts))
        np.testing.assert_array_equal(np.sort(orders), np.tile(np.arange(len(counts)), (epochs, 1)))
        assert len({tuple(order) for order in orders.tolist()}) > 1
        assert np.all(answers[tasks == task] < counts[visited])
    assert set(answers[(tasks == 0) & (examples == 2)]) == {0, 1, 2}


def test_any_step_can_be_asked_for():
    unbroken = stream(MixtureSampler(COUNTS, 5, seed=1), 0, 40)
    resumed = stream(MixtureSampler(COUNTS, 5, seed=1), 23, 17)
    for one, other in zip(unbroken, resumed, strict=True):
        np.testing.assert_array_equal(one[23 * 5 :], other)


def test_going_back_gives_the_same():
    sampler = MixtureSampler(COUNTS, 5)
    before = sampler.batch(2)
    sampler.batch(BLOCK // 5 + 9)
    np.testing.assert_array_equal(sampler.batch(2), before)


def test_resuming_across_blocks():
    batch = 1000
    step = 2 * BLOCK // batch  # holds slots on both sides of the end of the second block
    unbroken = stream(MixtureSampler(COUNTS, batch), 0, step + 2)
    resumed = stream(MixtureSampler(COUNTS, batch), step, 2)
    for one, other in zip(unbroken, resumed, strict=True):
        np.testing.assert_array_equal(one[step * batch :], other)
    tasks, examples, _ = unbroken
    for task, counts in enumerate(COUNTS):
        visited = np.bincount(examples[tasks == task])
        assert visited.max() - visited.min() <= 1
        assert len(visited) == len(counts)


def test_iteration_is_the_steps_in_order():
    sampler = MixtureSampler(COUNTS, 4)
    for step, draw in enumerate(islice(sampler, 3)):
        np.testing.assert_array_equal(draw, sampler.batch(step))


def test_tasks_are_uniform_or_weighted():
    tasks, _, _ = stream(MixtureSampler(COUNTS, 1000), 0, 30)
    np.testing.assert_allclose(np.bincount(tasks) / 30_000, [1 / 3] * 3, atol=0.015)
    tasks, _, _ = stream(MixtureSampler(COUNTS, 1000, weights=[3, 0, 1]), 0, 30)
    np.testing.assert_allclose(np.bincount(tasks) / 30_000, [0.75, 0, 0.25], atol=0.015)


def test_seeds_differ():
    one, other = MixtureSampler(COUNTS, 32, seed=0), MixtureSampler(COUNTS, 32, seed=1)
    assert not np.array_equal(one.batch(0), other.batch(0))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch_size": 0}, r"`batch_size` must be at least 1\. Received: batch_size=0"),
        ({"seed": -1}, r"`seed` must be at least 0\. Received: seed=-1"),
        (
            {"weights": [1, 1]},
            r"`weights` must have one for each of the 3 .*=\[1\.0, 1\.0\]",
        ),
        ({"weights": [1, -1, 1]}, r"`weights` must be at least 0, .*weights=\[1\.0, -1\.0, 1\.0\]"),
        ({"weights": [0, 0, 0]}, r"`weights` must be at least 0, and one above it"),
        ({"answer_counts": []}, r"`answer_counts` must hold at least one task\. Received: 0"),
        (
            {"answer_counts": [np.array([1, 0])]},
            r"answer each\. Received: 1 without of 2",
        ),
        ({"answer_counts": [np.array([], int)]}, r"Received: 0 without of 0 in task 0"),
    ],
)
def test_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        MixtureSampler(**{"answer_counts": COUNTS, "batch_size": 4, **arguments})


def test_negative_step():
    with pytest.raises(ValueError, match=r"`step` must be at least 0\. Received: step=-1"):
        MixtureSampler(COUNTS, 4).batch(-1)
