import pytest

from recipes.benchmarks.accelerator import QUICK
from recipes.benchmarks.parts import chip


def test_parity_with_the_cpu_itself():
    found = chip.parity(QUICK["parity"])["largest_difference"]
    for apart in found.values():
        assert set(apart) == {"logits", "passage_scores"}
        assert max(apart.values()) < 1e-4


def test_the_encoder_beside_a_product():
    found = chip.encoder({**QUICK["encoder"], "peak_tflops": 1.0})["tiny"]
    flops = 2 * 16 * (4 * 64 * 64 + 3 * 64 * 128 + 2 * 64 * 8)
    median = found["seconds"]["encoder"]["median"]
    assert found["flops"]["encoder"] == pytest.approx(flops / median)
    assert found["share_of_peak"] == pytest.approx(flops / median / 1e12)


def test_memory_is_read_from_stores_of_all_types():
    found = chip.reading(QUICK["reading"])
    assert list(found) == ["int8", "bfloat16", "raw float16"]
    assert found["raw float16"]["times_raw"] == 1


def test_attention_that_does_not_run_says_why():
    found = chip.flash(QUICK["flash"])
    assert found["plain with bias"]["median"] > 0
    for name in ("flash with bias", "flash without"):
        assert isinstance(found[name], str) or found[name]["median"] > 0
