import numpy as np

from glimmer_keras.pipelines.length_batches import plan_batches


def test_batches_hold_each_sequence_once_and_little_padding(rng):
    lengths = rng.integers(1, 100, 300)
    batches = list(plan_batches(lengths, 512, step=8))
    rows = np.concatenate([rows for rows, _, _ in batches])
    assert sorted(rows) == list(range(300))
    np.testing.assert_array_equal(lengths[rows], np.sort(lengths)[::-1])
    for rows, size, length in batches:
        assert length == -(-lengths[rows].max() // 8) * 8
        assert size == 512 // length
        assert len(rows) == size or rows is batches[-1][0]
    # The room depends on the length alone, so the shapes are few.
    assert len({length for _, _, length in batches}) == len({batch[1:] for batch in batches})
    assert sum(size * length for _, size, length in batches) < 1.15 * lengths.sum()


def test_a_sequence_longer_than_a_batch_has_one_of_its_own():
    batches = list(plan_batches(np.array([3, 30, 2]), 20, step=4))
    assert [(rows.tolist(), *rest) for rows, *rest in batches] == [([1], 1, 32), ([0, 2], 5, 4)]
