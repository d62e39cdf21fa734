"""python -m tests [--quick] [pytest arguments]: the suite on every backend, all at the same time.

With --quick only what concerns the work at hand, on one backend: the tests of the modules that
differ from the last commit, or where none does a short way through the whole package.
"""

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
QUICK = "--quick"


def main() -> int:
    arguments = [argument for argument in sys.argv[1:] if argument != QUICK]
    if len(arguments) < len(sys.argv) - 1:
        backend = os.environ.get("KERAS_BACKEND", "tensorflow")
        return run({backend: tests_at_hand() + arguments})
    backends = {"tensorflow": arguments, "jax": arguments}
    if importlib.util.find_spec("torch"):
        backends["torch"] = ["-m", "smoke", *arguments]
    return run(backends)


def tests_at_hand() -> list[str]:
    """The mirrored tests of what differs from the last commit, as arguments of pytest."""
    status = ["git", "status", "--porcelain", "--no-renames", "--untracked-files=all"]
    lines = subprocess.run(status, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    changed = [Path(line[3:].strip('"')) for line in lines.splitlines() if line.endswith(".py")]
    tests = {path for path in changed if path.name.startswith("test_")}
    for path in changed:
        folder = (
            path.parent.relative_to("glimmer_keras")
            if path.is_relative_to("glimmer_keras")
            else path.parent
        )
        tests.add(Path("tests", folder, f"test_{path.name}"))
    there = sorted(str(path) for path in tests if (ROOT / path).is_file())
    return [*there, "tests/test_imports.py"] if there else ["-m", "smoke"]


def run(backends: dict[str, list[str]]) -> int:
    """Run pytest with its arguments on each backend; 1 where it fails on one."""
    failed, peaks = [], {}
    started = time.monotonic()
    with ExitStack() as stack:
        # Tests mostly compile, on one core. The first backend is shown as it goes, the others
        # when it is done.
        children, outputs = {}, {}
        for backend, arguments in backends.items():
            output = stack.enter_context(tempfile.TemporaryFile("w+")) if children else None
            children[backend] = subprocess.Popen(
                [sys.executable, "-m", "pytest", *arguments],
                cwd=ROOT,
                env=os.environ | {"KERAS_BACKEND": backend},
                stdout=output,
                stderr=output and subprocess.STDOUT,
            )
            outputs[backend] = output
        print(f"KERAS_BACKEND={', '.join(backends)}", flush=True)
        for backend, child in children.items():
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
            peaks[backend] = usage.ru_maxrss * 1024 / 1e9
            if child.returncode:
                failed.append(backend)
            if output := outputs[backend]:
                print(f"KERAS_BACKEND={backend}", flush=True)
                output.seek(0)
                shutil.copyfileobj(output, sys.stdout)
    outcome = f"failed on {', '.join(failed)}" if failed else f"passed on {', '.join(backends)}"
    memory = ", ".join(f"{backend} {peak:.1f} GB" for backend, peak in peaks.items())
    print(f"{outcome} in {time.monotonic() - started:.0f} s; at the peak {memory}")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
