import json

import pytest

from glimmer_keras import Glimmer
from recipes.benchmarks import peers
from recipes.benchmarks.timing import jit_choices

SHAPES = ["--size", "tiny", "--k", "3", "--m", "1", "--question-length", "2"]
SHAPES += ["--passage-length", "5"]


pytestmark = pytest.mark.once_on("jax")


@pytest.fixture(scope="module")
def report(run, peer_python):
    answer = {f"hf fid {k}": {"encode": 100.0 * k, "2": 30.0} for k in (3, 1)}
    peer = peer_python(f"echo '{{}}'\nwhile read line; do echo '{json.dumps(answer)}'; done")
    return run(
        peers, [*SHAPES, "--answers", "2", "--batch", "2", "--repeats", "2", "--jit", "off", *peer]
    )


def test_all_systems_are_timed(report):
    (case,) = report["cases"]
    assert list(case["systems"]) == [
        "glimmer 3->1",
        *(f"{kind} {k}" for kind in ("fid", "keras_hub fid", "hf fid") for k in (3, 1)),
    ]
    for name, system in case["systems"].items():
        assert set(system["answers"]) == {2}
        assert system["answers"][2]["median"] > system["encode"]["min"] > 0
        assert ("limits" in system) == (name.split()[0] in ("glimmer", "fid"))
        if not name.startswith("hf"):
            assert set(system["jit"].values()) <= set(jit_choices("off"))


def test_times_and_ratios_of_a_question(report):
    systems = report["cases"][0]["systems"]
    peer, glimmer = systems["hf fid 3"], systems["glimmer 3->1"]
    assert peer["encode"]["median"] == 150.0  # a batch of 2
    assert peer["answers"][2]["median"] == 165.0
    expected = 165.0 / glimmer["answers"][2]["median"]
    assert peer["glimmer_faster"][2]["measured"] == pytest.approx(expected)


def test_least_seconds_by_hand(small):
    fid = Glimmer.from_size("tiny", "fid", **small)
    # Two layers of 480 for 15 tokens, and 15 12 5 of attention scores each.
    encode = 2 * 15 * 480 + 2 * 15 * 12 * 5
    # 15 positions take 15 2 96 products, and each token 1232, 432 of them of attention scores.
    least = peers.least_seconds(fid, 3, 1, peers.parse([*SHAPES, "--answers", "1,2"]), 1.0, 1e9)
    assert least["encode"] == encode
    assert least[2] == pytest.approx(encode + 2880 + 2 * (1232 + 432))
    assert least[1] < least[2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--m", "26"], "--m must be from 1 to --k"),
        (["--question-length", "352"], "--question-length must be from 1 to under"),
    ],
)
def test_bad_options(capsys, options, message):
    with pytest.raises(SystemExit):
        peers.parse(options)
    assert message in capsys.readouterr().err
