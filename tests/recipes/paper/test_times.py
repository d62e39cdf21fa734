import pytest

from recipes.benchmarks import timing
from recipes.paper import times
from recipes.paper.cells import glimmer
from recipes.paper.claims import Row
from recipes.paper.times import measure


def test_times_of_one_system(micro_scale, monkeypatch):
    monkeypatch.setattr(times, "BATCHES", (2,))
    monkeypatch.setattr(times, "ROUNDS", 2)
    monkeypatch.setattr(timing, "jit_choices", lambda jit: {"plain": False})
    found = measure(micro_scale, (Row("ours", glimmer(micro_scale)),))
    assert len(found["seconds"]["2"]["ours"]["rounds"]) == 2
    assert found["work"]["ours"]["exact"] > 0
    # d = 8, L = 2, n_p = 80, n_t = 3: k n_p 12 d^2 / 2 ... of the one live layer, beta 2/3.
    lumen_1 = 80 * 12 * 64 + 80 * 2 * 2 * 64 + 3 * 2 * 14 * 64
    assert found["work"]["ours"]["formula"] == pytest.approx(lumen_1 + 2 * 80 * 2 / 3 * 12 * 64)
