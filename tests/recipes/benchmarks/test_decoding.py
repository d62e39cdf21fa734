import importlib.util
import json

import keras
import pytest
from _benchmark import jit_choices
from benchmark_decoding import main, parse, seconds_of, slopes, start_peer, token_floor

from glimmer_keras import GlimmerBackbone
from glimmer_keras.models.sizes import T5_SIZES

SHAPES = ["--size", "tiny", "--passages", "2", "--passage-length", "3", "--answer-length", "3"]
SMALL = {"num_layers": 2, "num_heads": 2, "hidden_dim": 8, "intermediate_dim": 12}
SMALL |= {"key_value_dim": 3, "vocabulary_size": 10}
VARIANT = "num_decoder_layers=1"
SPEEDS = {"peak": "macs_per_second", "reading": "bytes_per_second"}


def interpreter(path, body):
    """Options with a peer whose Python is a shell script."""
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return ["--peer", "hf", "--peer-python", str(path)]


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    output = tmp_path_factory.mktemp("bench")
    answer = json.dumps({"first": 1.0, "whole": 3.0})
    body = f"echo '{{}}'\nwhile read line; do echo '{answer}'; done"
    options = [*interpreter(output / "python", body), "--batch", "2", "--repeats", "2"]
    options += ["--jit", "off"]  # compiles sooner
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(T5_SIZES, "tiny", SMALL)
        found = main([*SHAPES, *options, "--variant", VARIANT, "--output", str(output)])
    written = output / f"decoding-{keras.backend.backend()}.json"
    assert json.loads(written.read_text(encoding="utf-8")) == json.loads(json.dumps(found))
    return found


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


def test_the_slower_of_reading_and_products_is_the_floor():
    backbone = GlimmerBackbone.from_size("tiny", "fid", **SMALL)
    found = token_floor(backbone, 6, 1, 3, macs_per_second=1472.0, bytes_per_second=100.0)
    assert found == {
        "bytes": 4928 + 576,
        "macs": 1472,
        "reading": 55.04,
        "products": 1.0,
        "seconds": 55.04,
    }
    assert token_floor(backbone, 6, 1, 3, 1.0, 1e9)["seconds"] == 1472
    # Half the bytes of keys and values in half precision, and all of the float32 weights.
    half = GlimmerBackbone.from_size("tiny", "fid", dtype="mixed_bfloat16", **SMALL)
    assert token_floor(half, 6, 1, 3, 1.0, 1.0)["bytes"] == 4928 + 288


def test_slopes_and_seconds():
    times = {("a", "memory"): [5.0, 1.0, 1.0], ("a", "first"): [1.0, 2.0, 3.0]}
    times["a", "whole"] = [4.0, 8.0, 6.0]
    assert slopes(times, "a", tokens=4) == [1.0, 2.0, 1.0]
    assert seconds_of(times, "a", batch=16, tokens=4) == {
        "seconds": {
            "token": {"min": 1.0, "median": 1.0, "max": 2.0},
            "first": {"min": 3.0, "median": 4.0, "max": 6.0},
            "memory": {"min": 1.0, "median": 1.0, "max": 5.0},
        },
        "tokens_per_second": 16.0,
    }


def test_a_peer_is_told_what_to_decode(tmp_path):
    # It says what it was told.
    options = interpreter(tmp_path / "python", 'echo "$2"\nread line')
    options = parse([*SHAPES, *options, "--dtype", "mixed_bfloat16"])
    with start_peer("tiny", 4, 6, options) as ask:
        told = ask.ready
    assert told["size"]["key_value_dim"] == T5_SIZES["tiny"]["key_value_dim"]
    assert (told["batch"], told["positions"], told["answer_length"]) == (4, 6, 3)
    assert told["dtype"] == "bfloat16"


@pytest.mark.slow
@pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("torch", "transformers"))),
    reason="needs torch and transformers",
)
def test_the_hugging_face_peer():
    options = parse([*SHAPES, "--peer", "hf"])
    with start_peer("tiny", 2, 6, options) as ask:
        assert ask.ready["answer_length"] == 3
        assert ask().keys() == {"first", "whole"}


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
        parse(options)
    assert message in capsys.readouterr().err
