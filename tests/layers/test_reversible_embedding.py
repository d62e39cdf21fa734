import keras
import numpy as np
import pytest

from glimmer_keras.layers import ReversibleEmbedding
from glimmer_keras.layers.weights_only import weights_only


@pytest.mark.parametrize(("mode", "parts"), [("int8", 254), ("int4", 15)])
@pytest.mark.parametrize("tied", [True, False])
def test_what_it_gives_is_within_half_a_step(mode, parts, tied):
    layer = ReversibleEmbedding(9, 64, tie_weights=tied, embeddings_initializer="normal")
    layer.build()
    ids = np.arange(9)
    before = np.asarray(layer(ids))
    states = np.random.default_rng(0).normal(size=(2, 64)).astype("float32")
    logits = np.asarray(layer(states, reverse=True))
    layer.quantize(mode, config=weights_only(mode))
    step = 2 * np.abs(before).max(1, keepdims=True) / parts
    after = np.asarray(layer(ids))
    assert (np.abs(after - before) <= 0.8 * step).all()
    again = np.asarray(layer(states, reverse=True))
    if tied:
        np.testing.assert_allclose(again, states @ after.T, rtol=1e-4, atol=1e-4)
    else:
        assert np.corrcoef(again.ravel(), logits.ravel())[0, 1] > 0.95
    assert keras.backend.standardize_dtype(layer._embeddings.dtype) == "int8"
