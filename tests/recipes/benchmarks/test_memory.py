import json

import pytest

from recipes.benchmarks import memory
from recipes.benchmarks.parts import encoding

OPTIONS = ["--size", "tiny", "--read-size", "tiny", "--passage-length", "16", "--few", "5"]
OPTIONS += ["--vocabulary", "60", "--shard-size", "4", "--tokens-per-batch", "64"]
OPTIONS += ["--read-passages", "30", "--rounds", "2", "--repeats", "2"]
WORDS = [
    "who",
    "wrote",
    "the",
    "opera",
    "that",
    "was",
    "first",
    "given",
    "in",
    "town",
    "by",
    "river",
]
DTYPE_BYTES = {"int8": 1, "bfloat16": 2, "float32": 4}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    path = tmp_path_factory.mktemp("corpus") / "corpus.jsonl"
    rows = [{"id": f"p{i}", "text": " ".join(WORDS[: i + 1])} for i in range(13)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


@pytest.fixture(scope="module")
def report(corpus, run, small):
    with pytest.MonkeyPatch.context() as patch:
        # In this process, which is quicker.
        patch.setattr(memory, "run_part", lambda module, settings: encoding.measure(settings))
        return run(memory, ["--corpus", corpus, *OPTIONS], small | {"num_layers": 3})


def test_both_sizes_are_encoded_and_read(report):
    few, every = report["encode_few"], report["encode_all"]
    assert (few["passages"], every["passages"]) == (5, 13)
    assert 0 < few["tokens"] < every["tokens"] == report["store"]["tokens"]
    assert every["passages_per_second"] == every["passages"] / every["seconds"]
    assert 0 <= every["waited_share"] < 1
    assert (report["read_few"]["passages"], report["read_all"]["passages"]) == (5, 13)
    for part in ("encode_few", "encode_all", "read_few", "read_all"):
        assert report[part]["megabytes"] > 10


def test_shares_are_of_real_tokens(report):
    every = report["encode_all"]
    d, inner, ff = 8, 6, 12
    layers = 2  # A third of the three is live.
    assert every["macs"]["formulas"] == layers * every["tokens"] * 12 * d * d
    assert every["macs"]["projections"] == layers * every["tokens"] * (4 * d * inner + 3 * d * ff)
    speed = every["peak"]["macs_per_second"]["median"]
    for name, macs in every["macs"].items():
        share = macs / every["seconds"] / speed
        assert every["share_of_peak"][name] == pytest.approx(share)


def test_stores_are_measured(report):
    assert report["dtypes"].keys() == DTYPE_BYTES.keys()
    assert all(report["dtypes"][name] > size for name, size in DTYPE_BYTES.items())
    reading = report["reading"]
    assert (reading["passages"], reading["length"], reading["dim"]) == (25, 16, 8)
    assert reading["ratio"] == reading["store"]["median"] / reading["mapped"]["median"]
