import json

import keras
import pytest
from benchmark_scaling import line, main, parse

from glimmer_keras.models.sizes import T5_SIZES

SMALL = {"num_layers": 2, "num_heads": 2, "hidden_dim": 8, "intermediate_dim": 12}
SMALL |= {"key_value_dim": 3, "vocabulary_size": 10}


def test_the_report(monkeypatch, tmp_path):
    monkeypatch.setitem(T5_SIZES, "tiny", SMALL)
    shapes = ["--size", "tiny", "--passages", "4,2", "--m", "1", "--question-length", "2"]
    shapes += ["--passage-length", "5", "--repeats", "2", "--jit", "off"]
    found = main([*shapes, "--output", str(tmp_path)])
    backend = keras.backend.backend()
    written = json.loads((tmp_path / f"scaling-{backend}.json").read_text(encoding="utf-8"))
    assert written == json.loads(json.dumps(found))
    assert list(found["seconds"]) == [2, 4]
    assert all(0 < seconds["min"] <= seconds["median"] for seconds in found["seconds"].values())
    # A line through two points.
    assert found["start"] + 2 * found["slope"] == pytest.approx(found["seconds"][2]["median"])
    assert (tmp_path / f"scaling-{backend}.png").stat().st_size > 0


def test_times_that_are_the_work():
    found = line({1: 30, 2: 50, 4: 90}, {1: 3.0, 2: 5.0, 4: 9.0})
    assert found["slope"] == pytest.approx(2.0)
    assert found["start"] == pytest.approx(1.0)
    assert found["macs_per_second"] == pytest.approx(10.0)
    assert found["slope_over_work"] == pytest.approx(1.0)
    for off in ("off_line", "off_work"):
        assert found[off] == pytest.approx({1: 0.0, 2: 0.0, 4: 0.0}, abs=1e-9)


def test_times_that_grow_faster_than_the_work():
    found = line({1: 10, 2: 20, 3: 30}, {1: 1.0, 2: 2.0, 3: 4.0})
    # At 10, 10 and 7.5 a second, the speed is (100 + 100 + 56.25) / (10 + 10 + 7.5).
    speed = 256.25 / 27.5
    assert found["macs_per_second"] == pytest.approx(speed)
    off = {1: speed / 10 - 1, 2: speed / 10 - 1, 3: speed / 7.5 - 1}
    assert found["off_work"] == pytest.approx(off)
    assert found["slope_over_work"] > 1.1
    assert max(found["off_line"].values()) > 0.05


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--passages", "25"], "--passages must be two numbers or more, each at least --m"),
        (["--passages", "4,25"], "--passages must be two numbers or more, each at least --m"),
        (["--question-length", "352"], "--question-length must be from 1 to under"),
    ],
)
def test_bad_options(capsys, options, message):
    with pytest.raises(SystemExit):
        parse(options)
    assert message in capsys.readouterr().err
