import pytest

from glimmer_keras import GlimmerBackbone
from recipes.benchmarks.limits import decoding_seconds, token_floor


def test_the_slower_of_reading_and_products_is_the_floor(small):
    backbone = GlimmerBackbone.from_size("tiny", "fid", **small)
    floor = token_floor(backbone, 6, 1, 3, macs_per_second=1472.0, bytes_per_second=100.0)
    assert floor == {
        "bytes": 4928 + 576,
        "macs": 1472,
        "reading": 55.04,
        "products": 1.0,
        "seconds": 55.04,
    }
    assert token_floor(backbone, 6, 1, 3, 1.0, 1e9)["seconds"] == 1472
    # Half the bytes of keys and values in half precision, and all of the float32 weights.
    half = GlimmerBackbone.from_size("tiny", "fid", dtype="mixed_bfloat16", **small)
    assert token_floor(half, 6, 1, 3, 1.0, 1.0)["bytes"] == 4928 + 288


def test_the_least_decoding_can_take_by_hand(small):
    fid = GlimmerBackbone.from_size("tiny", "fid", **small)
    # 15 positions take 15 2 96 products once. Each of 2 tokens: 2 576 + 80 weights, two layers'
    # 15 keys and values of 6, and 2 576 + 80 + 2 12 (3 + 15) products.
    read = {batch: 4 * (1232 / batch + 2 * 15 * 2 * 6) for batch in (1, 4)}
    for batch in (1, 4):
        slow_memory = decoding_seconds(fid, 15, 2, batch, 1e9, 1.0)
        assert slow_memory == pytest.approx(2880 / 1e9 + 2 * read[batch])
    slow_products = decoding_seconds(fid, 15, 2, 1, 1.0, 1e9)
    assert slow_products == pytest.approx(2880 + 2 * (1232 + 432))


def test_decoding_with_less_cross_attention_by_hand(small):
    less = {"cross_attention_key_value_heads": 1, "cross_attention_every": 2}
    fid = GlimmerBackbone.from_size("tiny", "fid", **small, **less)
    # Keys and values of 15 positions take 15 2 8 3 products. A token reads 1136 weights and 15 keys
    # and values of 3.
    slow_memory = decoding_seconds(fid, 15, 1, 1, 1e9, 1.0)
    assert slow_memory == pytest.approx(720 / 1e9 + 4 * (1136 + 15 * 2 * 3))
