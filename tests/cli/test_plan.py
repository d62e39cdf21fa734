import json

import pytest

pytestmark = pytest.mark.once_on("tensorflow")


def test_wikipedia_for_base(glimmer):
    status, out, _ = glimmer("plan", "--json")
    plan = json.loads(out)
    assert status == 0
    # 22 million passages of 130 tokens, 768 numbers and a scale each, and their text.
    assert plan["store_bytes"]["int8"] == 22e6 * 130 * (772 + 3)
    hours = plan["encoding"]["H100"]["hours"]
    assert plan["encoding_flop"] == pytest.approx(hours * 3600 * 989e12 * 0.4)
    flop = plan["answering_flop"]
    assert 6 < flop["FiD-25"] / flop["GLIMMER 25 to 5"] < 8
    status, out, _ = glimmer("plan", "xxl", "--passages", 100_000_000, "--k", 10, "--m", 2)
    assert status == 0
    for words in ("xxl: 100,000,000 passages", "GLIMMER 10 to 2", "FiD-10", "pq:16", "H100"):
        assert words in out


def test_a_reader_that_is_there(glimmer, preset):
    status, out, _ = glimmer("plan", preset, "--passages", 10, "--k", 4, "--json")
    assert status == 0
    assert json.loads(out)["passages"] == 10


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--passages", "0"], "`--passages` must be at least 1. Received: 0"),
        (["--alpha", "2"], "`--alpha` must be from 0 to 1. Received: 2.0"),
        (["--m", "26"], "`--m` must be from 1 to k=25. Received: 26"),
        (["no-such"], "no-such"),
    ],
)
def test_errors_are_one_line(glimmer, options, line):
    status, out, err = glimmer("plan", *options)
    assert (status, out) == (1, "")
    assert line in err
    assert err.count("\n") == 1
