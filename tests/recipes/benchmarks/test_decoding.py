import json

import pytest

from recipes.benchmarks import decoding
from recipes.benchmarks.timing import jit_choices

SHAPES = ["--size", "tiny", "--passages", "2", "--passage-length", "3", "--answer-length", "3"]
VARIANT = "num_decoder_layers=1"
SPEEDS = {"peak": "macs_per_second", "reading": "bytes_per_second"}


pytestmark = pytest.mark.once_on("jax")


@pytest.fixture(scope="module")
def report(run, peer_python):
    answer = json.dumps({"first": 1.0, "whole": 3.0})
    peer = peer_python(f"echo '{{}}'\nwhile read line; do echo '{answer}'; done")
    settings = ["--batch", "2", "--repeats", "2", "--jit", "off", "--variant", VARIANT]
    return run(decoding, [*SHAPES, *settings, *peer])


def test_all_systems_are_timed(report):
    (case,) = report["cases"]
    assert (case["size"], case["batch"], case["positions"]) == ("tiny", 2, 6)
    systems = case["systems"]
    assert list(systems) == ["ours", VARIANT, "keras_hub", "hf"]
    for name, system in systems.items():
        seconds = system["seconds"]
        assert ("memory" in seconds) == (name in ("ours", VARIANT))
        assert 0 < seconds["first"]["min"] <= seconds["first"]["max"]
        assert system["tokens_per_second"] == 2 / seconds["token"]["median"]
        assert ("ours_faster" in system) == (name != "ours")
        assert system["jit"] in {*jit_choices("off"), "eager"}
    assert case["reading"]["bytes_per_second"]["min"] > 0
    assert case["peak"]["shape"] == [6, 8, 12]


def test_two_implementations_say_the_same_tokens(report):
    assert report["cases"][0]["systems"]["keras_hub"]["same_tokens"]


def test_the_time_of_a_peer_is_its_slope(report):
    (case,) = report["cases"]
    hf, ours = case["systems"]["hf"], case["systems"]["ours"]
    # (3 - 1) / (3 - 1) seconds a token of each of two rows.
    assert hf["seconds"]["token"] == {"min": 1.0, "median": 1.0, "max": 1.0}
    assert hf["tokens_per_second"] == 2.0
    expected = 1.0 / ours["seconds"]["token"]["median"]
    assert hf["ours_faster"]["measured"] == pytest.approx(expected)
    speeds = (case[kind][unit]["median"] for kind, unit in SPEEDS.items())
    products, reading = ours["floor"]["macs"], ours["floor"]["bytes"]
    peak, bandwidth = speeds
    assert hf["over_floor"] == pytest.approx(1 / max(products / peak, reading / bandwidth))


def test_floors_by_hand(report):
    floors = {n: system["floor"] for n, system in report["cases"][0]["systems"].items()}
    # A decoder layer has 6 8 6 + 3 8 12 = 576 weights that a token reads, the head 80; each of 6
    # positions of two rows 2 6 keys and values a layer; 3 + 1 keys beside the 6 positions.
    expected = {"ours": (4 * (1152 + 80) + 2 * 4 * 2 * 72, 2 * (1232 + 2 * 2 * 6 * 10))}
    expected[VARIANT] = (4 * (576 + 80) + 2 * 4 * 72, 2 * (656 + 2 * 6 * 10))
    expected["keras_hub"] = expected["hf"] = expected["ours"]
    assert {n: (floor["bytes"], floor["macs"]) for n, floor in floors.items()} == expected


def test_slopes_and_seconds():
    times = {("a", "memory"): [5.0, 1.0, 1.0], ("a", "first"): [1.0, 2.0, 3.0]}
    times["a", "whole"] = [4.0, 8.0, 6.0]
    assert decoding.slopes(times, "a", tokens=4) == [1.0, 2.0, 1.0]
    assert decoding.seconds_of(times, "a", batch=16, tokens=4) == {
        "seconds": {
            "token": {"min": 1.0, "median": 1.0, "max": 2.0},
            "first": {"min": 3.0, "median": 4.0, "max": 6.0},
            "memory": {"min": 1.0, "median": 1.0, "max": 5.0},
        },
        "tokens_per_second": 16.0,
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--answer-length", "1"], "--answer-length must be 2 or more"),
        (["--variant", "heads=2"], "must name settings of GlimmerBackbone. Received: heads=2"),
        (["--variant", "num_heads"], "must be NAME=INTEGER[,NAME=INTEGER]. Received: num_heads"),
    ],
)
def test_options_are_checked(options, message, capsys):
    with pytest.raises(SystemExit):
        decoding.parse(options)
    assert message in capsys.readouterr().err
