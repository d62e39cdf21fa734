import json

import keras
import pytest

from glimmer_keras.models.sizes import T5_SIZES
from recipes.benchmarks import limits

SMALL = {"num_layers": 2, "num_heads": 2, "hidden_dim": 8, "intermediate_dim": 12}
SMALL |= {"key_value_dim": 3, "vocabulary_size": 10}


@pytest.fixture(scope="session")
def small():
    """A T5 of two layers, small enough for sums by hand."""
    return SMALL


@pytest.fixture
def tiny_is_small(monkeypatch):
    """The size that is called `tiny` has the numbers of `small`."""
    monkeypatch.setitem(T5_SIZES, "tiny", SMALL)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A function that runs a benchmark, `tiny` as small as `size`, and compares what it wrote."""

    def run(benchmark, options, size=SMALL):
        output = tmp_path_factory.mktemp("bench")
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(T5_SIZES, "tiny", size)
            patch.setattr(limits, "READ_MEGABYTES", 8)
            report = benchmark.main([*options, "--output", str(output)])
        name = benchmark.__name__.rpartition(".")[2]
        written = output / f"{name}-{keras.backend.backend()}.json"
        assert json.loads(written.read_text(encoding="utf-8")) == json.loads(json.dumps(report))
        return report

    return run


@pytest.fixture(scope="session")
def peer_python(tmp_path_factory):
    """A function from a shell script to options with a peer whose Python it is."""

    def make(body):
        path = tmp_path_factory.mktemp("peer") / "python"
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
        return ["--peer", "hf", "--peer-python", str(path)]

    return make
