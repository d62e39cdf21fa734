import keras
import numpy as np
import pytest

from glimmer_keras.layers import FiDDecoder, MemoryEncoder, group_size

on_jax = pytest.mark.skipif(
    keras.backend.backend() != "jax" or keras.distribution.list_devices()[0] != "cpu:0",
    reason="groups are for JAX's CPU backend",
)


@on_jax
@pytest.mark.parametrize(
    ("sequences", "length", "group"),
    [
        (25, 352, 5),  # 1,760 tokens
        (24, 352, 4),  # not 5, which does not divide 24
        (23, 352, 1),
        (5, 352, 0),  # all at once are few enough
        (31, 80, 0),  # one at a time would be too few
        (3, 5000, 0),  # one alone is too many
        (None, 352, 0),
    ],
)
def test_groups_by_hand(sequences, length, group):
    assert group_size.group_size(sequences, length) == group


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="of other backends")
def test_other_backends_have_none():
    assert group_size.group_size(25, 352) == 0


@on_jax
def test_groups_give_what_all_at_once_give(monkeypatch, rng):
    sizes = {"num_heads": 2, "head_dim": 4, "hidden_dim": 8, "intermediate_dim": 16}
    encoder = MemoryEncoder(2, **sizes)
    decoder = FiDDecoder(2, cross_attention_every=2, **sizes)
    states = rng.normal(size=(2, 3, 5, 8)).astype("float32")
    mask = rng.integers(2, size=(2, 3, 5)).astype(bool)
    decoder.build((None, None, 8))

    def results():
        return [encoder(states, mask), *decoder.project_memory(states, mask)[0][1]]

    expected = results()
    monkeypatch.setattr(group_size, "MOST_TOKENS", 15)
    monkeypatch.setattr(group_size, "LEAST_TOKENS", 1)
    assert (group_size.group_size(6, 5), group_size.group_size(2, 15)) == (3, 1)
    for found, whole in zip(results(), expected, strict=True):
        np.testing.assert_allclose(np.asarray(found), np.asarray(whole), rtol=1e-5, atol=1e-6)
