"""The results of cells in a folder: those that an earlier run left, and those that are missing."""

import argparse
import json
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from glimmer_keras.pipelines import TrainingData
from glimmer_keras.utils.files import write_file
from glimmer_keras.utils.progress import Progress
from recipes.paper.cells import Cell
from recipes.paper.claims import Comparison
from recipes.paper.comparisons import distinct_cells
from recipes.paper.run import run_cell, settings_of
from recipes.settings import check_settings

Plan = list[tuple[Cell, int]]  # cells with the seed
Results = dict[tuple[str, int], dict[str, Any]]  # by name of the cell, and seed


def plan_of(chosen: list[Comparison], seeds: list[int]) -> Plan:
    """What to train, comparison after comparison; a cell of several is in it several times."""
    return [
        (cell, seed)
        for comparison in chosen
        for seed in seeds
        for cell in distinct_cells([comparison])
    ]


def result_file(folder: Path, cell: Cell, seed: int) -> Path:
    return folder / "cells" / f"{cell.name}-{seed}.json"


def run_folder(folder: Path, cell: Cell, seed: int) -> Path:
    """Where a training is kept until it is scored."""
    return folder / "checkpoints" / f"{cell.name}-{seed}"


def kept_results(plan: Plan, described: dict[str, Any], options: argparse.Namespace) -> Results:
    """What an earlier run left; it is an error if it or a checkpoint is of other settings."""
    results: Results = {}
    for cell, seed in plan:
        asked = settings_of(cell, options.scale, seed, described, options.best_checkpoint)
        file = result_file(options.output, cell, seed)
        started = run_folder(options.output, cell, seed) / "settings.json"
        if file.is_file():
            results[cell.name, seed] = json.loads(file.read_text())
            check_settings(file, results[cell.name, seed]["settings"], asked)
        elif started.is_file():
            check_settings(started, json.loads(started.read_text()), asked)
    return results


def run_missing(
    plan: Plan,
    results: Results,
    data: TrainingData,
    described: dict[str, Any],
    options: argparse.Namespace,
) -> None:
    """Run what is missing, and write each result as soon as there is one."""
    scale = options.scale
    missing = list({(c.name, s): (c, s) for c, s in plan if (c.name, s) not in results}.values())
    with Progress("Training", scale.steps * len(missing), "steps") as progress:
        for number, (cell, seed) in enumerate(missing, 1):
            start = time.perf_counter()
            folder = run_folder(options.output, cell, seed)
            settings = settings_of(cell, scale, seed, described, options.best_checkpoint)
            title = f"{number} of {len(missing)}: {cell.name}, seed {seed}"

            def advance(steps: int, title: str = title) -> None:
                progress.advance(steps, note=title)

            result = run_cell(cell, scale, data, settings, folder, advance)
            result = {"settings": settings, **result, "seconds": time.perf_counter() - start}
            write_file(result_file(options.output, cell, seed), json.dumps(result, indent=1))
            shutil.rmtree(folder)
            results[cell.name, seed] = result
            line = f"{title}: {result['average']:.1f} in {result['seconds']:.0f} s"
            print(line, file=sys.stderr)
