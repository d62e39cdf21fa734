"""python -m tests [pytest arguments]: the suite on each backend, one after the other."""

import importlib.util
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    runs = {"tensorflow": [], "jax": []}
    if importlib.util.find_spec("torch"):
        runs["torch"] = ["-m", "smoke"]
    failed = []
    started = time.monotonic()
    for backend, selection in runs.items():
        print(f"KERAS_BACKEND={backend}", flush=True)
        command = [sys.executable, "-m", "pytest", *selection, *sys.argv[1:]]
        environment = os.environ | {"KERAS_BACKEND": backend}
        if subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode:
            failed.append(backend)
    outcome = f"failed on {', '.join(failed)}" if failed else f"passed on {', '.join(runs)}"
    print(f"{outcome} in {time.monotonic() - started:.0f} s")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
