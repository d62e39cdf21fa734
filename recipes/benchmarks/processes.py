"""Child processes of recipes, and how much memory a process takes."""

import json
import os
import re
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def environment(**variables: str) -> dict[str, str]:
    """Give the variables of a child, which finds the recipes wherever it is started."""
    path = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | {"PYTHONPATH": os.pathsep.join(path)} | variables


def run_python(*arguments: str) -> Any:
    """Run Python and read the last line that it prints, which is JSON."""
    command = [sys.executable, *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment())
    return json.loads(done.stdout.splitlines()[-1])


def run_part(module: str, settings: dict[str, Any]) -> Any:
    """Run a module that calls `be_part` in a process of its own, and give what it measured."""
    return run_python("-m", module, json.dumps(settings))


def be_part(measure: Callable[[dict[str, Any]], Any]) -> None:
    """Measure by the settings in this process's argument, and print the result, both as JSON."""
    print(json.dumps(measure(json.loads(sys.argv[1]))))


def resident(pid: int | str = "self") -> dict[str, float]:
    """Read resident memory, now and at its greatest since the last call, in MiB; Linux only."""
    process = Path(f"/proc/{pid}")
    status = (process / "status").read_text(encoding="utf-8")
    (process / "clear_refs").write_text("5", encoding="utf-8")  # forgets the greatest
    kinds = {"now": "VmRSS", "greatest": "VmHWM"}
    lines = {name: re.search(rf"{kind}:\s*(\d+) kB", status) for name, kind in kinds.items()}
    return {name: int(match[1]) / 2**10 for name, match in lines.items() if match}


def greatest_memory() -> float:
    """Read the greatest resident memory of this process so far, in MiB."""
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
