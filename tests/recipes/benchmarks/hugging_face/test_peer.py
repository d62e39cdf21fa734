import argparse
import importlib.util
import sys

import pytest

from recipes.benchmarks import decoding, peers, training
from recipes.benchmarks.hugging_face.peer import start_peer
from recipes.benchmarks.machine import cores

LENGTHS = ["--question-length", "2", "--passage-length", "5"]
needs_peer = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("torch", "transformers"))),
    reason="needs torch and transformers",
)


def test_no_peer_is_asked_for():
    with start_peer("fid", "tiny", {}, argparse.Namespace(peer=None)) as ask:
        assert ask is None


def test_a_peer_is_told_its_settings(peer_python, tiny_is_small, small):
    # It repeats what it was started with, and is asked once more.
    options = peers.parse(peer_python('echo "$3"\nread line\necho "{\\"module\\": \\"$2\\"}"'))
    with start_peer("fid", "tiny", {"batch": 4}, options) as ask:
        assert ask.ready == {"batch": 4, "size": small, "cores": cores()}
        assert ask() == {"module": "recipes.benchmarks.hugging_face.fid"}


def test_a_peer_that_stops(peer_python):
    options = peers.parse(peer_python("exit 3"))
    with (
        pytest.raises(RuntimeError, match="The peer stopped. Received: exit status 3"),
        start_peer("fid", "tiny", {}, options),
    ):
        pass


def test_a_peer_without_packages_says_what_to_install(peer_python):
    options = peers.parse(peer_python(f'{sys.executable} -S "$@"'))
    with (
        pytest.raises(ImportError, match=r"pip install .glimmer_keras\[torch\]. transformers"),
        start_peer("fid", "tiny", {}, options),
    ):
        pass


@pytest.mark.slow
@needs_peer
def test_decoding():
    options = decoding.parse([*LENGTHS[2:], "--answer-length", "3", "--peer", "hf"])
    settings = decoding.peer_settings(2, 6, options)
    with start_peer("decoding", "tiny", settings, options) as ask:
        assert ask.ready["answer_length"] == 3
        assert ask().keys() == {"first", "whole"}


@pytest.mark.slow
@needs_peer
def test_fusion_in_decoder():
    options = peers.parse([*LENGTHS, "--k", "3", "--m", "1", "--answers", "1,2", "--peer", "hf"])
    with start_peer("fid", "tiny", peers.peer_settings(2, options), options) as ask:
        assert ask.ready["answers"] == [1, 2]
        times = ask()
    assert times.keys() == {"hf fid 3", "hf fid 1"}
    assert all(part.keys() == {"encode", "1", "2"} for part in times.values())


@pytest.mark.slow
@needs_peer
def test_training():
    options = training.parse([*LENGTHS, "--k", "3", "--answer-length", "2", "--peer", "hf"])
    settings = training.peer_settings(2, options)
    with start_peer("training", "tiny", settings, options) as ask:
        assert ask.ready["loss"] > 0
        assert ask()["step"] > 0
