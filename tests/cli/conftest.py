import json
from functools import cache

import pytest

import glimmer_keras as gk
from glimmer_keras.cli.main import main

WORDS = "Torvik grew from a camp that was made in 1863 and would later play the harp"


@pytest.fixture(scope="session")
def preset(make_glimmer, tmp_path_factory):
    path = tmp_path_factory.mktemp("preset")
    make_glimmer(16, 16, 6).save_to_preset(path)
    return str(path)


@pytest.fixture(scope="session")
def load_preset():
    """`Glimmer.from_preset`, which loads each preset once."""
    return cache(gk.Glimmer.from_preset)


@pytest.fixture
def loaded_once(load_preset, monkeypatch):
    """Commands of several tests share the model of a preset, which is then compiled once."""
    monkeypatch.setattr(gk.Glimmer, "from_preset", load_preset)


@pytest.fixture(scope="session")
def corpus(tmp_path_factory):
    """Makes a corpus file of passages from `p{start}` on."""
    folder = tmp_path_factory.mktemp("corpus")

    def make(start, stop):
        path = folder / f"{start}-{stop}.jsonl"
        rows = [{"id": f"p{i}", "text": WORDS[: 5 * i]} for i in range(start, stop)]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return str(path)

    return make


@pytest.fixture
def glimmer(capsys):
    """Runs the command; gives the status and what it wrote on stdout and stderr."""

    def run(*arguments):
        status = main([str(argument) for argument in arguments])
        written = capsys.readouterr()
        return status, written.out, written.err

    return run
