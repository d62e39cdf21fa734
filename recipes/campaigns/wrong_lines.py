"""python -m recipes.campaigns.wrong_lines --output DIR

Makes one line of the package wrong at a time, in a copy of the repository, and runs the tests that
must see it: a suite that lets a wrong line pass proves nothing. The lines are those of
wrong_lines.toml. Prints a table and writes DIR/wrong_lines.json, also after every line, and goes
on with what is not in it; the exit code is 1 where a line was let pass. The backend is that of
KERAS_BACKEND. About 20 minutes on 2 cores.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from glimmer_keras.utils.files import write_file

ROOT = Path(__file__).resolve().parents[2]
LINES = Path(__file__).with_suffix(".toml")
COPIED = ("glimmer_keras", "recipes", "tests", "pyproject.toml", "README.md")


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, required=True, help="folder for wrong_lines.json")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="some of the lines")
    args = parser.parse_args(argv)
    lines = wrong_lines()
    file = args.output / "wrong_lines.json"
    report = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in COPIED:
            copier = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copier(ROOT / name, copy / name)
        for name in args.only or [name for name in lines if name not in report]:
            report[name] = try_line(copy, **lines[name])
            write_file(file, json.dumps(report, indent=1) + "\n")
            print(name, report[name]["seen by"] or "LET PASS", flush=True)
    show(report)
    return int(any(not found["seen by"] for found in report.values()))


def wrong_lines() -> dict[str, dict[str, Any]]:
    """For each name `old` and `new` text, and the `tests` that must see the difference."""
    return tomllib.loads(LINES.read_text(encoding="utf-8"))


def place_of(old: str, root: Path = ROOT) -> Path:
    """The one module of the package that has a text, once."""
    sources = (root / "glimmer_keras").rglob("*.py")
    places = [path for path in sources for _ in range(path.read_text(encoding="utf-8").count(old))]
    if len(places) != 1:
        raise ValueError(f"`old` must stand once in the package. Received: {old!r}, in {places}")
    return places[0]


def try_line(root: Path, old: str, new: str, tests: list[str]) -> dict[str, Any]:
    """Run tests of a repository with a line of its package made wrong, until one fails."""
    module = place_of(old, root)
    right = module.read_text(encoding="utf-8")
    module.write_text(right.replace(old, new), encoding="utf-8")
    started = time.monotonic()
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    environment = os.environ | {"PYTHONPATH": str(root)}
    try:
        run = subprocess.run(
            command, cwd=root, env=environment, capture_output=True, text=True, check=False
        )
    finally:
        module.write_text(right, encoding="utf-8")
    failures = re.findall(r"^(?:FAILED|ERROR) (\S+)", run.stdout, re.MULTILINE)
    return {
        "module": str(module.relative_to(root)),
        "seen by": failures[0] if failures else None,
        "seconds": round(time.monotonic() - started),
    }


def show(report: dict[str, dict[str, Any]]) -> None:
    seen = sum(bool(found["seen by"]) for found in report.values())
    table = Table(title=f"{seen} of {len(report)} wrong lines are seen")
    for column in ("line", "module", "seen by"):
        table.add_column(column)
    for name, found in report.items():
        table.add_row(name, found["module"], found["seen by"] or "[bold]nothing[/bold]")
    Console().print(table)


if __name__ == "__main__":
    sys.exit(main())
