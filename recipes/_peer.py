"""The parent's side of `_hf_fid.py` and `_hf_decoding.py`: starts them and asks for rounds."""

import argparse
import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from _benchmark import cores

from glimmer_keras.models.sizes import size_arguments


def add_peer_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--peer", choices=["hf"])
    parser.add_argument("--peer-python", default=sys.executable, help="with torch, transformers")


class PeerProcess:
    """Asks the child process for one round a call."""

    def __init__(self, process: subprocess.Popen):
        self.process = process
        self.ready = self.read()
        if "error" in self.ready:
            raise ImportError(
                "`--peer hf` needs torch and transformers in `--peer-python`: pip install "
                f'"glimmer_keras[torch]" transformers. Received: {self.ready["error"]}'
            )

    def __call__(self) -> dict[str, Any]:
        print(file=self.process.stdin, flush=True)
        return self.read()

    def read(self) -> dict[str, Any]:
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"The peer stopped. Received: exit status {self.process.wait()}")
        return json.loads(line)


@contextlib.contextmanager
def start_peer(size: str, batch: int, options: argparse.Namespace) -> Iterator[PeerProcess | None]:
    if options.peer is None:
        yield None
        return
    settings = {
        "batch": batch,
        "passages": list(dict.fromkeys((options.k, options.m))),
        "passage_length": options.passage_length,
        "answers": options.answers,
    }
    with peer_process("_hf_fid.py", size, settings, options.peer_python) as process:
        yield process


@contextlib.contextmanager
def peer_process(
    name: str, size: str, settings: dict[str, Any], python: str
) -> Iterator[PeerProcess]:
    """A recipe's child that has built its model and waits to be asked for rounds."""
    sizes = {"key_value_dim": 64, **size_arguments(size)}
    told = json.dumps({**settings, "size": sizes, "cores": cores()})
    command = [python, str(Path(__file__).with_name(name)), told]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield PeerProcess(process)
