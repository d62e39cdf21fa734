"""The parent's side of the peers of this folder: starts one and asks it for rounds."""

import argparse
import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from glimmer_keras.models.sizes import size_arguments
from recipes.benchmarks.machine import cores
from recipes.benchmarks.processes import environment


def add_peer_arguments(parser: argparse.ArgumentParser) -> None:
    """Add whether to measure a peer, and under which Python."""
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
        """Read the next line that the peer says."""
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"The peer stopped. Received: exit status {self.process.wait()}")
        return json.loads(line)


@contextlib.contextmanager
def start_peer(
    name: str, size: str, settings: dict[str, Any], options: argparse.Namespace
) -> Iterator[PeerProcess | None]:
    """Start the module `name` of this folder where `--peer` asks for it.

    What is given has built its model and waits to be asked for rounds.
    """
    if options.peer is None:
        yield None
        return
    sizes = {"key_value_dim": 64, **size_arguments(size)}
    content = json.dumps({**settings, "size": sizes, "cores": cores()})
    command = [options.peer_python, "-m", f"{__package__}.{name}", content]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment()
    ) as process:
        yield PeerProcess(process)
