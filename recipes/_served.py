"""`glimmer serve` as a child process. Shared by recipes."""

import contextlib
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Served:
    """A server that is running: its model's name, its addresses and its process."""

    name: str
    grpc: str
    rest: str
    pid: int

    def megabytes(self) -> dict[str, float]:
        """Resident memory now and at its greatest since the last call, in MiB. Linux only."""
        process = Path(f"/proc/{self.pid}")
        status = (process / "status").read_text(encoding="utf-8")
        (process / "clear_refs").write_text("5", encoding="utf-8")  # forgets the greatest
        kinds = {"now": "VmRSS", "greatest": "VmHWM"}
        found = {name: re.search(rf"{kind}:\s*(\d+) kB", status) for name, kind in kinds.items()}
        return {name: int(match[1]) / 2**10 for name, match in found.items() if match}


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
