"""`glimmer serve` as a child process. Shared by recipes."""

import contextlib
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from _resident import resident


@dataclass(frozen=True)
class Served:
    """A server that is running: its model's name, its addresses and its process."""

    name: str
    grpc: str
    rest: str
    pid: int

    def megabytes(self) -> dict[str, float]:
        return resident(self.pid)


@contextlib.contextmanager
def serving(directory: Path) -> Iterator[Served]:
    """Serve the newest version in a directory until the context ends."""
    command = [sys.executable, "-m", "glimmer_keras.cli.main", "serve", str(directory)]
    command += ["--port", "0", "--rest-port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            said = process.stdout.readline()
            found = re.fullmatch(r"Serving (\S+) .*: gRPC (\S+), REST (\S+)\n", said)
            if found is None:
                raise RuntimeError(f"`glimmer serve` did not start. Received: {said!r}")
            yield Served(found[1], found[2], found[3], process.pid)
        finally:
            process.terminate()
    if process.returncode:
        raise RuntimeError(f"`glimmer serve` ended with exit status {process.returncode}")
