import numpy as np
import pytest

from glimmer_keras.layers import MemoryEncoder
from glimmer_keras.layers.bert_block import BertBlock


def normalised(x):
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-3)


def test_halves_are_normalised_after_them():
    block = BertBlock(1, 4, 4, 6, "relu", False, 0.0, 1e-3)
    block.build((None, None, 4))
    random = np.random.default_rng(0)
    for weight in block.weights:
        weight.assign(random.normal(size=weight.shape))
    states = x = random.normal(size=(1, 3, 4)).astype("float32")
    attention, feed_forward = block.attention, block.feed_forward
    q, k, v = (
        x @ np.asarray(part.kernel) + np.asarray(part.bias)
        for part in (attention.query, attention.key, attention.value)
    )
    scores = np.exp(q[0] @ k[0].T)
    read = scores / scores.sum(-1, keepdims=True) @ v[0]
    out = attention.output_projection
    x = x[0] + read @ np.asarray(out.kernel) + np.asarray(out.bias)
    norm = block.attention_norm
    x = normalised(x) * np.asarray(norm.gamma) + np.asarray(norm.beta)
    up, down = feed_forward.up, feed_forward.down
    inner = np.maximum(x @ np.asarray(up.kernel) + np.asarray(up.bias), 0)
    x = x + inner @ np.asarray(down.kernel) + np.asarray(down.bias)
    norm = block.feed_forward_norm
    expected = normalised(x) * np.asarray(norm.gamma) + np.asarray(norm.beta)
    np.testing.assert_allclose(np.asarray(block(states))[0], expected, rtol=1e-4, atol=1e-4)


def test_blocks_there_are():
    with pytest.raises(ValueError, match=r"one of \('t5', 'bert'\). Received: block='gpt'"):
        MemoryEncoder(1, 2, 4, 8, 12, block="gpt")
