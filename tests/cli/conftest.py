import json

import pytest

import glimmer_keras as gk
from glimmer_keras.cli.main import main

WORDS = "Torvik grew from a camp that was made in 1863 and would later play the harp"


@pytest.fixture(scope="session")
def preset(tmp_path_factory):
    path = tmp_path_factory.mktemp("preset")
    glimmer = gk.Glimmer.from_t5("tiny_world", num_selected=2)
    glimmer.preprocessor = gk.GlimmerPreprocessor(glimmer.preprocessor.tokenizer, 16, 16, 6)
    glimmer.save_to_preset(path)
    return str(path)


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
        said = capsys.readouterr()
        return status, said.out, said.err

    return run
