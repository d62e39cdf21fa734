"""python -m tests [pytest arguments]: the suite on every backend, all at the same time."""

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    runs = {"tensorflow": [], "jax": []}
    if importlib.util.find_spec("torch"):
        runs["torch"] = ["-m", "smoke"]
    failed = []
    started = time.monotonic()
    with ExitStack() as stack:
        # Tests mostly compile, on one core. The first backend is shown as it goes, the others
        # when it is done.
        children, outputs = {}, {}
        for backend, selection in runs.items():
            output = stack.enter_context(tempfile.TemporaryFile("w+")) if children else None
            children[backend] = stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-m", "pytest", *selection, *sys.argv[1:]],
                    cwd=ROOT,
                    env=os.environ | {"KERAS_BACKEND": backend},
                    stdout=output,
                    stderr=output and subprocess.STDOUT,
                )
            )
            outputs[backend] = output
        print(f"KERAS_BACKEND={', '.join(runs)}", flush=True)
        for backend, child in children.items():
            if child.wait():
                failed.append(backend)
            if output := outputs[backend]:
                print(f"KERAS_BACKEND={backend}", flush=True)
                output.seek(0)
                shutil.copyfileobj(output, sys.stdout)
    outcome = f"failed on {', '.join(failed)}" if failed else f"passed on {', '.join(runs)}"
    print(f"{outcome} in {time.monotonic() - started:.0f} s")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
