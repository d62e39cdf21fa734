import keras
import numpy as np
import pytest
from keras import ops

from glimmer_keras.layers import MemoryEncoder, group_size

SIZES = {"num_heads": 2, "head_dim": 4, "hidden_dim": 8, "intermediate_dim": 16}


@pytest.fixture(params=["at once", "in groups"])
def groups(request, monkeypatch):
    """On JAX's CPU: sequences one by one."""
    if request.param == "in groups":
        if keras.backend.backend() != "jax":
            pytest.skip("groups are JAX's")
        monkeypatch.setattr(group_size, "MOST_TOKENS", 5)
        monkeypatch.setattr(group_size, "LEAST_TOKENS", 1)
        assert group_size.group_size(3, 5) == 1


class Encode(keras.Model):
    def __init__(self, rematerialize, dropout):
        super().__init__()
        self.encoder = MemoryEncoder(2, dropout=dropout, **SIZES)
        self.encoder.rematerialize = rematerialize

    def call(self, states, training=None):
        mask = ops.arange(states.shape[1]) < ops.full(states.shape[:2], 4, "int32")
        return self.encoder(states, mask, training=training)


def trained(rematerialize, dropout, rate=0.02):
    """Losses of three steps, and the weights after them."""
    rng = np.random.default_rng(0)
    states, targets = rng.normal(size=(2, 3, 5, 8)).astype("float32")
    keras.utils.set_random_seed(1)
    model = Encode(rematerialize, dropout)
    model(states)
    model.compile(keras.optimizers.SGD(rate), "mse")
    losses = [float(model.train_on_batch(states, targets)) for _ in range(3)]
    return losses, [np.asarray(weight) for weight in model.trainable_weights]


def check_equal(one, other):
    np.testing.assert_allclose(one[0], other[0], rtol=1e-5)
    for a, b in zip(one[1], other[1], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_training_is_the_same(groups):
    check_equal(trained(True, 0.0), trained(False, 0.0))


def test_both_runs_drop_the_same(groups, monkeypatch):
    expected = trained(True, 0.5)
    monkeypatch.setattr(keras, "remat", lambda function: function)
    check_equal(trained(True, 0.5), expected)


def test_each_step_drops_anew(groups):
    losses, _ = trained(True, 0.5, rate=0.0)
    assert len({round(loss, 6) for loss in losses}) == 3


def test_each_sequence_drops_its_own(groups):
    keras.utils.set_random_seed(1)
    model = Encode(True, 0.5)
    states = np.repeat(np.random.default_rng(0).normal(size=(1, 5, 8)).astype("float32"), 3, axis=0)
    outputs = np.asarray(model(states, training=True))
    assert len(np.unique(outputs.reshape(3, -1), axis=0)) == 3
