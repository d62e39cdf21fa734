import numpy as np
import pytest
from keras import ops

from recipes.benchmarks import cached
from recipes.benchmarks.cached import Decoder

SMALL = Decoder(2, 1, 2, 8, 16, 11)


def test_the_report(run):
    shapes = ["--size", "tiny", "--decoders", "2x1", "--k", "3", "--m", "1"]
    lengths = ["--question-length", "2", "--passage-length", "5"]
    report = run(cached, [*shapes, *lengths, "--repeats", "2", "--jit", "off"])
    glimmer, decoder = report["cases"][0]["systems"].values()
    # int8 and a scale; keys and values of 2 layers in bfloat16.
    width = (glimmer["bytes_a_token"] - 4) // 2  # of one of two heads
    assert decoder["bytes_a_token"] == 2 * 2 * width * 2
    for system in (glimmer, decoder):
        assert system["read_megabytes"] == 3 * 3 * system["bytes_a_token"] / 1e6
        assert 0 < system["seconds"]["min"] <= system["seconds"]["median"]


def test_work_by_hand():
    # Queries and outputs 2 x 64, keys and values of one of two heads 64, feed-forward 384.
    layer, head = 128 + 64 + 384, 8 * 11
    assert SMALL.work(1, 4) == 2 * (layer + 2 * 8 * 5) + head
    assert SMALL.work(3, 0) == 2 * 3 * (layer + 2 * 8 * 2) + head
    again = 2 * 2 * (layer + 2 * 8 * 3.5) + SMALL.work(3, 4)
    assert SMALL.blended_work(3, 4, 0.5) == pytest.approx(again)


def test_what_is_cached_gives_what_is_computed(rng):
    model = SMALL.build("float32")
    ids = rng.integers(0, 11, (1, 5)).astype("int32")
    empty = np.zeros((1, 2, 2, 5, 1, 4), "float32")
    whole, _, _ = model.call_with_cache(ids, empty, 0)
    _, _, cache = model.call_with_cache(ids[:, :3], empty, 0)
    last, _, _ = model.call_with_cache(ids[:, 3:], cache, 3)
    first, second = (ops.convert_to_numpy(x) for x in (whole[:, 3:], last))
    np.testing.assert_allclose(second, first, atol=1e-5)
    assert cache.shape[1] * cache.shape[2] * cache.shape[4] * cache.shape[5] == SMALL.cached
