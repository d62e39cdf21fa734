from pathlib import Path

import keras
import pytest

from recipes.benchmarks import scaling
from recipes.benchmarks.scaling import line


def test_the_report(run):
    shapes = ["--size", "tiny", "--passages", "4,2", "--m", "1", "--question-length", "2"]
    report = run(scaling, [*shapes, "--passage-length", "5", "--repeats", "2", "--jit", "off"])
    assert list(report["seconds"]) == [2, 4]
    assert all(0 < seconds["min"] <= seconds["median"] for seconds in report["seconds"].values())
    # A line through two points.
    assert report["start"] + 2 * report["slope"] == pytest.approx(report["seconds"][2]["median"])
    plot = Path(report["settings"]["output"], f"scaling-{keras.backend.backend()}.png")
    assert plot.stat().st_size > 0


def test_times_that_are_the_work():
    fitted = line({1: 30, 2: 50, 4: 90}, {1: 3.0, 2: 5.0, 4: 9.0})
    assert fitted["slope"] == pytest.approx(2.0)
    assert fitted["start"] == pytest.approx(1.0)
    assert fitted["macs_per_second"] == pytest.approx(10.0)
    assert fitted["slope_over_work"] == pytest.approx(1.0)
    for off in ("off_line", "off_work"):
        assert fitted[off] == pytest.approx({1: 0.0, 2: 0.0, 4: 0.0}, abs=1e-9)


def test_times_that_grow_faster_than_the_work():
    fitted = line({1: 10, 2: 20, 3: 30}, {1: 1.0, 2: 2.0, 3: 4.0})
    # At 10, 10 and 7.5 a second, the speed is (100 + 100 + 56.25) / (10 + 10 + 7.5).
    speed = 256.25 / 27.5
    assert fitted["macs_per_second"] == pytest.approx(speed)
    off = {1: speed / 10 - 1, 2: speed / 10 - 1, 3: speed / 7.5 - 1}
    assert fitted["off_work"] == pytest.approx(off)
    assert fitted["slope_over_work"] > 1.1
    assert max(fitted["off_line"].values()) > 0.05


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
        scaling.parse(options)
    assert message in capsys.readouterr().err
