import numpy as np

from recipes.pretraining.dense_batches import PairBatches, piece_and_rest


def test_a_batch():
    passages = [[10 * row + 2 + i for i in range(8)] for row in range(9)]
    batches = PairBatches([[5], [6], [7]], [0, 0, 4], passages, 256)
    inputs, labels = batches.batch(0)
    rows = (inputs["passage"][:, 0] - 2) // 10
    assert sorted(rows.tolist()) == list(range(9))  # each once, though two questions are of row 0
    assert labels.tolist() == list(range(9))
    questions = dict(zip(rows.tolist(), inputs["question"].tolist(), strict=True))
    assert questions[4][:3] == [7, 1, 0]
    assert questions[0][0] in (5, 6)
    for row in (1, 2, 3, 5):
        assert {token // 10 for token in questions[row] if token > 1} == {row}
    np.testing.assert_array_equal(batches.batch(0)[0]["question"], inputs["question"])
    second = batches.batch(1)[0]["question"]
    assert (second != inputs["question"]).any()


def test_batches_go_on_from_a_step():
    batches = PairBatches([[5], [6], [7]], [0, 0, 4], [[n, n + 1] for n in range(9)], 4)
    for step, (inputs, labels) in zip((2, 3), batches.start_at(2), strict=False):
        expected, _ = batches.batch(step)
        for name, ids in expected.items():
            np.testing.assert_array_equal(inputs[name], ids)
        assert labels.numpy().tolist() == [0, 1, 2, 3]


def test_a_piece_of_all_of_a_passage_leaves_it():
    piece, rest = piece_and_rest([4], np.random.default_rng(0))
    assert (piece, rest) == ([4], [4])
