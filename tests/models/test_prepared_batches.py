import keras
import numpy as np
import pytest

from glimmer_keras.models.prepared_batches import prepared_batches, weighted


class Batches(keras.utils.PyDataset):
    def __init__(self):
        super().__init__(workers=2)
        self.told = []

    def __len__(self):
        return 3

    def __getitem__(self, index):
        return {"x": index}, index + 1

    def on_epoch_end(self):
        self.told.append("end")


def prepare(x, y=None, sample_weight=None):
    return {"x": 10 * x["x"]}, y, sample_weight


def test_batches_are_prepared_in_their_order():
    batches = Batches()
    prepared = prepared_batches(batches, prepare)
    assert isinstance(prepared, keras.utils.PyDataset)
    assert (prepared.num_batches, prepared.workers) == (3, 2)
    assert [prepared[n] for n in range(3)] == [({"x": 10 * n}, n + 1, None) for n in range(3)]
    prepared.on_epoch_end()
    assert batches.told == ["end"]
    made = prepared_batches((batch for batch in [({"x": 1},)]), prepare)
    assert list(made) == [({"x": 10}, None, None)]


@pytest.mark.parametrize("x", [None, {"questions": []}, np.ones(2), [1]])
def test_all_else_is_keras_own(x):
    assert prepared_batches(x, prepare) is None


def test_weights_of_strings_go_with_them():
    kwargs = {"sample_weight": [1.0], "verbose": 0}
    assert weighted({"answers": ["a"]}, kwargs) == [{"answers": ["a"], "sample_weight": [1.0]}]
    assert kwargs == {"verbose": 0}
    kwargs = {"sample_weight": [1.0]}
    assert weighted({"question_token_ids": [[1]]}, kwargs) == [{"question_token_ids": [[1]]}]
    assert kwargs == {"sample_weight": [1.0]}
