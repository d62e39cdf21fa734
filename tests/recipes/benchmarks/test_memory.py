import json
import subprocess
import sys

import benchmark_memory
import keras
import numpy as np
import pytest
from _matrix_work import Work
from benchmark_memory import main, real_work, run_part

from glimmer_keras import GlimmerBackbone
from glimmer_keras.models.sizes import T5_SIZES

SMALL = {"num_layers": 3, "num_heads": 2, "hidden_dim": 8, "intermediate_dim": 12}
SMALL |= {"key_value_dim": 3, "vocabulary_size": 10}
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
def report(corpus, tmp_path_factory):
    output = tmp_path_factory.mktemp("bench")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(T5_SIZES, "tiny", SMALL)
        # In this process, which is quicker; `run_part` is tried below.
        patch.setattr(benchmark_memory, "run_part", main)
        found = main(["--corpus", corpus, *OPTIONS, "--output", str(output)])
    written = output / f"memory-{keras.backend.backend()}.json"
    assert json.loads(written.read_text(encoding="utf-8")) == json.loads(json.dumps(found))
    return found


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


def test_scores_are_counted_at_each_length():
    backbone = GlimmerBackbone.from_size("tiny", "glimmer", **SMALL)
    work = real_work(backbone, np.array([3, 1, 3]))
    assert work == Work(2 * 7 * (4 * 8 * 6 + 3 * 8 * 12), 2 * 2 * 6 * (9 + 1 + 9))


def test_stores_are_measured(report):
    assert report["dtypes"].keys() == DTYPE_BYTES.keys()
    assert all(report["dtypes"][name] > size for name, size in DTYPE_BYTES.items())
    reading = report["reading"]
    assert (reading["passages"], reading["length"], reading["dim"]) == (25, 16, 8)
    assert reading["ratio"] == reading["store"]["median"] / reading["mapped"]["median"]


def test_a_part_runs_in_a_process_of_its_own(monkeypatch):
    called = []

    def run(command, **settings):
        called.append(command)
        return subprocess.CompletedProcess(command, 0, 'said\n{"passages": 3}\n')

    monkeypatch.setattr(subprocess, "run", run)
    assert run_part(["--part", "read"]) == {"passages": 3}
    assert called == [[sys.executable, benchmark_memory.__file__, "--part", "read"]]
