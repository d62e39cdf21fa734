import math

import keras
import numpy as np
import pytest

from glimmer_keras.layers import Attention


def make(rng, dtype=None):
    layer = Attention(num_heads=2, head_dim=3, hidden_dim=4, dtype=dtype)
    layer.build()
    for weight in layer.weights:
        weight.assign(rng.normal(size=weight.shape))
    return layer


def reference(layer, queries, states, mask, bias):
    """Unscaled attention one head and one query a time, in float64."""
    q, k, v, o = (np.asarray(w, "float64") for w in layer.weights)
    out = np.zeros(queries.shape)
    for b in range(len(queries)):
        heads = []
        for h in range(2):
            cut = slice(3 * h, 3 * h + 3)
            scores = (queries[b] @ q[:, cut]) @ (states[b] @ k[:, cut]).T + bias[0, h]
            scores = np.where(mask[b], scores, -1e9)
            weights = np.exp(scores - scores.max(-1, keepdims=True))
            weights /= weights.sum(-1, keepdims=True)
            heads.append(weights @ (states[b] @ v[:, cut]))
        out[b] = np.concatenate(heads, axis=-1) @ o
    return out


def test_equals_a_numpy_reference(rng):
    layer = make(rng)
    queries, states = rng.normal(size=(2, 5, 4)), rng.normal(size=(2, 7, 4))
    mask, bias = rng.random((2, 1, 7)) < 0.6, rng.normal(size=(1, 2, 5, 7))
    mask[:, :, 0] = True
    out = layer(queries, *layer.project(states), attention_mask=mask[:, None], bias=bias)
    expected = reference(layer, queries, states, mask, bias)
    np.testing.assert_allclose(np.asarray(out), expected, rtol=1e-4, atol=1e-5)


def test_all_masked_is_finite_also_in_half_precision(rng):
    for dtype in (None, "mixed_bfloat16"):
        layer = make(rng, dtype)
        x = rng.normal(size=(1, 3, 4)).astype("float32")
        out = layer(x, *layer.project(x), attention_mask=np.zeros((1, 1, 1, 3), bool))
        assert np.isfinite(np.asarray(out, "float32")).all()


def test_beams_side_by_side_read_the_keys_of_their_row(rng):
    layer = make(rng)
    states = rng.normal(size=(2, 7, 4))
    queries = rng.normal(size=(6, 1, 4))  # three beams for each of two rows
    keys, values = layer.project(states)
    together = np.asarray(layer(queries, keys, values))
    for row in range(2):
        for beam in range(3):
            one = 3 * row + beam
            alone = layer(queries[one : one + 1], keys[row : row + 1], values[row : row + 1])
            np.testing.assert_allclose(together[one], np.asarray(alone)[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("shared", [1, 2])
@pytest.mark.parametrize(("rows", "length"), [(2, 5), (2, 1), (6, 1)])
def test_grouped_heads_equal_as_many_heads_with_equal_kernels(rng, shared, rows, length):
    grouped = Attention(4, 3, 8, num_key_value_heads=shared)
    full = Attention(4, 3, 8)
    for layer in (grouped, full):
        layer.build()
    for ours, theirs in zip(grouped.weights, full.weights, strict=True):
        values = rng.normal(size=ours.shape)
        ours.assign(values)
        if ours.shape != theirs.shape:  # keys and values
            heads = np.repeat(values.reshape(8, shared, 3), 4 // shared, axis=1)
            values = heads.reshape(8, 12)
        theirs.assign(values)
    states, queries = rng.normal(size=(2, 7, 8)), rng.normal(size=(rows, length, 8))
    keys, values = grouped.project(states)
    assert keys.shape == values.shape == (2, shared, 7, 3)
    mask = np.ones((2, 1, 1, 7), bool)
    mask[0, ..., 4:] = False
    bias = rng.normal(size=(1, 4, rows * length // 2, 7))
    out = grouped(queries, keys, values, attention_mask=mask, bias=bias)
    expected = full(queries, *full.project(states), attention_mask=mask, bias=bias)
    np.testing.assert_allclose(np.asarray(out), np.asarray(expected), rtol=1e-5, atol=1e-5)


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="reads a JAX program")
def test_shared_keys_are_never_repeated(rng):
    import jax

    layer = Attention(4, 3, 8, num_key_value_heads=2)
    layer.build()
    keys = rng.normal(size=(1, 2, 50, 3)).astype("float32")

    def sizes(jaxpr):
        for equation in jaxpr.eqns:
            yield from (math.prod(out.aval.shape) for out in equation.outvars)
            for inner in equation.params.values():
                inner = getattr(inner, "jaxpr", inner)
                if hasattr(inner, "eqns"):
                    yield from sizes(inner)

    for length in (1, 2):
        queries = rng.normal(size=(1, length, 8)).astype("float32")
        program = jax.make_jaxpr(lambda q, k: layer(q, k, k))(queries, keys)
        # The scores have 4 heads of 50, at most twice.
        assert max(sizes(program.jaxpr)) <= max(keys.size, length * 4 * 50) < 2 * keys.size


@pytest.mark.parametrize("heads", [0, 3, 8, 2.0, True])
def test_heads_that_make_no_groups(heads):
    with pytest.raises(ValueError, match=r"`num_key_value_heads` must be .*Received: num_key_va"):
        Attention(4, 3, 8, num_key_value_heads=heads)


def test_config_round_trip():
    layer = Attention(2, 3, 4, dropout=0.1, num_key_value_heads=1)
    assert Attention.from_config(layer.get_config()).get_config() == layer.get_config()
