"""`glimmer serve` as a child process, and connections to it."""

import contextlib
import http.client
import json
import re
import subprocess
import sys
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recipes.benchmarks.parts.load import Arrays
from recipes.benchmarks.processes import environment, resident

BUSY = (429, 503)
SECONDS = 120  # that a request may take


@dataclass(frozen=True)
class Served:
    """A server that is running: its model's name, its address and its process."""

    name: str
    url: str
    pid: int

    def megabytes(self) -> dict[str, float]:
        return resident(self.pid)


@contextlib.contextmanager
def serving(directory: Path) -> Iterator[Served]:
    """Serve the newest version in a directory until the context ends."""
    command = [sys.executable, "-m", "glimmer_keras.cli.main", "serve", str(directory)]
    command += ["--port", "0", "--rest-port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment()) as process:
        try:
            assert process.stdout
            line = process.stdout.readline()
            match = re.fullmatch(r"Serving (\S+) .*(http://\S+)\n", line)
            if match is None:
                raise RuntimeError(f"`glimmer serve` did not start. Received: {line!r}")
            yield Served(match[1], match[2], process.pid)
        finally:
            process.terminate()
    if process.returncode:
        raise RuntimeError(f"`glimmer serve` ended with exit status {process.returncode}")


class Connection:
    """A connection of its own to the `:predict` path of a served model."""

    def __init__(self, served: Served):
        address = urllib.parse.urlsplit(served.url).netloc
        self._path = f"/v1/models/{urllib.parse.quote(served.name, safe='')}:predict"
        self._connection = http.client.HTTPConnection(address, timeout=SECONDS)

    def predict(self, signature: str, inputs: Arrays) -> Arrays:
        """Post arrays and read arrays.

        Raises:
            ConnectionError: If the server has too much to do.
            RuntimeError: If it refuses the request, or fails.
        """
        values = {name: value.tolist() for name, value in inputs.items()}
        body = json.dumps({"signature_name": signature, "inputs": values})
        self._connection.request("POST", self._path, body, {"Content-Type": "application/json"})
        response = self._connection.getresponse()
        reply = response.read()
        if response.status in BUSY:
            raise ConnectionError(reply.decode())
        if response.status != http.client.OK:
            raise RuntimeError(f"{self._path}: {response.status}: {reply.decode()}")
        return {name: np.array(value) for name, value in json.loads(reply)["outputs"].items()}

    def close(self) -> None:
        self._connection.close()
