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
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parent.parent
QUICK = "--quick"
NO_TESTS = 5  # pytest's exit code where none was selected
# Of a whole run: what TensorFlow keeps of compiled functions goes with the process.
APART = ("tests/recipes", "tests/serving", "tests/training", "tests/test_readme.py")


def main() -> int:
    arguments = [argument for argument in sys.argv[1:] if argument != QUICK]
    if len(arguments) < len(sys.argv) - 1:
        backend = os.environ.get("KERAS_BACKEND", "tensorflow")
        return run({backend: [tests_at_hand() + arguments]})
    if any((ROOT / argument.partition("::")[0]).exists() for argument in arguments):
        parts = [arguments]
    else:
        ignored = [f"--ignore={path}" for path in APART]
        parts = [["tests", *ignored, *arguments], [*APART, *arguments]]
    backends = {"tensorflow": parts, "jax": parts}
    if importlib.util.find_spec("torch"):
        backends["torch"] = [["-m", "smoke", *arguments]]
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


def run(backends: dict[str, list[list[str]]]) -> int:
    """Run pytest with each list of arguments on each backend; 1 where it fails on one."""
    started = time.monotonic()
    print(f"KERAS_BACKEND={', '.join(backends)}", flush=True)
    with ExitStack() as stack:
        # Tests mostly compile, on one core. The first backend is shown as it goes, the others
        # when it is done.
        pool = stack.enter_context(ThreadPoolExecutor())
        outputs = {
            backend: stack.enter_context(tempfile.TemporaryFile("w+")) if number else None
            for number, backend in enumerate(backends)
        }
        results = {
            backend: pool.submit(run_parts, backend, parts, outputs[backend])
            for backend, parts in backends.items()
        }
        for backend, output in outputs.items():
            results[backend].result()
            if output:
                print(f"KERAS_BACKEND={backend}", flush=True)
                output.seek(0)
                shutil.copyfileobj(output, sys.stdout)
    failed = [backend for backend, result in results.items() if not result.result()[0]]
    outcome = f"failed on {', '.join(failed)}" if failed else f"passed on {', '.join(backends)}"
    memory = ", ".join(
        f"{backend} {result.result()[1] / 1e9:.1f} GB" for backend, result in results.items()
    )
    print(f"{outcome} in {time.monotonic() - started:.0f} s; at the peak {memory}")
    return bool(failed)


def run_parts(backend: str, parts: list[list[str]], output: IO[str] | None) -> tuple[bool, int]:
    """Run a process for each part, one after the other; gives whether they passed, and bytes."""
    codes, peak = set(), 0
    for arguments in parts:
        child = subprocess.Popen(
            [sys.executable, "-m", "pytest", *arguments],
            cwd=ROOT,
            env=os.environ | {"KERAS_BACKEND": backend},
            stdout=output,
            stderr=output and subprocess.STDOUT,
        )
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        codes.add(child.returncode)
        peak = max(peak, usage.ru_maxrss * 1024)
    # Of what is asked for, none need be of the smoke test, which torch has.
    none = codes == {NO_TESTS} and backend != "torch"
    return codes <= {0, NO_TESTS} and not none, peak


if __name__ == "__main__":
    sys.exit(main())
