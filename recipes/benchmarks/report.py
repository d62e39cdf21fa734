"""Reports: the cases of a benchmark measured and printed one by one, and written as JSON."""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
from rich.console import Console

from glimmer_keras.utils.files import write_file
from recipes.benchmarks.machine import machine


def run_cases(
    name: str,
    options: argparse.Namespace,
    build: Callable[[str, argparse.Namespace], dict],
    measure: Callable[[dict, str, int, argparse.Namespace], dict],
    print_case: Callable[[Console, dict, argparse.Namespace], None],
) -> dict[str, Any]:
    """Build the systems of each size, measure and print each batch, and write the report."""
    console = Console()
    report: dict[str, Any] = {"settings": vars(options), "machine": machine(), "cases": []}
    for size in options.size:
        readers = build(size, options)
        for batch in options.batch:
            console.print(f"{size}, batch {batch}, {keras.backend.backend()}: compiling, timing")
            report["cases"].append(measure(readers, size, batch, options))
            print_case(console, report["cases"][-1], options)
    write_report(console, name, report, options.output)
    return report


def write_report(console: Console, name: str, report: dict, directory: str | None) -> None:
    """Write the report to `directory`, where there is one, as `NAME-BACKEND.json`."""
    if directory:
        path = Path(directory) / f"{name}-{keras.backend.backend()}.json"
        write_file(path, json.dumps(report, indent=1))
        console.print(f"Written to {path}")
