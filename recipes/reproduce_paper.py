"""python recipes/reproduce_paper.py --output runs/paper

Reproduces the paper's comparisons in direction: Figures 2 to 7, Tables 1 to 3, and what the paper
is silent on (direction of the distillation, start of the scorer, temperatures). --scale tiny, the
default, trains on a generated world from the tiny T5 of the package, on two cores; --scale small
takes a folder in the shape of KILT and a T5 that pretrain_on_passages.py made of it; --scale base
is near the paper's setting, from a T5.1.1 and KILT (BM25, not GTR; 20,000 steps; no relevance
filter; Atlas's direction of the distillation; the last checkpoint unless --best-checkpoint):

    python recipes/reproduce_paper.py --scale base --t5 t5_1.1_base --data KILT --output runs/base

Each training is one file, DIR/cells/NAME-SEED.json; the main comparison comes first. A run that
was stopped goes on with the same command, and --only with some names runs those comparisons alone.
At the end times are measured and DIR/REPORT.md, DIR/results.json and plots written: a table for
each comparison, mean and spread over seeds beside the paper's number, and a verdict by a rule that
the report tells. The report needs matplotlib: pip install "glimmer_keras[report]".
"""

import argparse
import importlib.util
import json
import logging
import shutil
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from _benchmark import numbers
from _command import Help, OneLineParser, exit_code
from _kept_settings import check_settings
from _paper_cells import Cell
from _paper_claims import Comparison
from _paper_comparisons import comparisons, distinct_cells
from _paper_data import describe_data, load_data
from _paper_model import asked_scale, check_t5, t5_path
from _paper_report import write_report
from _paper_run import run_cell, settings_of
from _paper_scale import SCALES, Scale
from _paper_summary import Results
from _paper_times import measured_times
from _write import write
from rich.console import Console
from rich.progress import Progress

from glimmer_keras.pipelines import TrainingData
from glimmer_keras.training import keep_freed_memory


@exit_code
def main(argv: Sequence[str] | None = None) -> None:
    logging.basicConfig(format="%(message)s")
    # It warns that functions are traced again and again: each cell has its own.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    keep_freed_memory()
    console = Console(stderr=True)
    options = read_options(argv)
    scale, chosen = options.scale, choose(options.scale, options.only)
    data, described = described_data(options)
    check_question_task(chosen, described)
    plan = [
        (cell, seed)
        for comparison in chosen
        for seed in options.seeds
        for cell in distinct_cells([comparison])
    ]
    results = kept_results(plan, described, options)
    if data is not None:
        run_missing(plan, results, data, described, options, console)
    times = measured_times(scale, options.output / "times.json", console)
    write_report(options.output, scale, chosen, options.seeds, results, times, described)
    console.print(f"Written: {options.output / 'REPORT.md'}")


def read_options(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line; `scale` as it was asked for."""
    parser = OneLineParser(description=__doc__, formatter_class=Help)
    add = parser.add_argument
    add("--output", type=Path, required=True, help="folder of results and report")
    add("--scale", choices=SCALES, default="tiny", help="world and model")
    add("--seeds", type=numbers, default="0,1,2", help="with commas between")
    add("--only", help="comparisons, with commas between: main,figure3,table1; None: all")
    add("--data", type=Path, help="not with --scale tiny: folder with corpus.jsonl and the tasks")
    add("--t5", help="T5 preset or its folder; with --scale tiny, None is the package's own")
    add("--steps", type=int, help="of each training; None: the scale's")
    add("--question-task", help="the one of Figures 6 and 7; None: the scale's")
    add(
        "--best-checkpoint",
        action="store_true",
        help="not with --scale tiny: score every checkpoint and take the best, as the paper does",
    )
    add("--report-only", action="store_true", help="train nothing; report what is there")
    options = parser.parse_args(argv)
    if importlib.util.find_spec("matplotlib") is None:
        raise ImportError('The report needs matplotlib: pip install "glimmer_keras[report]"')
    if options.steps is not None and options.steps < 1:
        raise ValueError(f"`--steps` must be at least 1. Received: {options.steps}")
    options.seeds = list(dict.fromkeys(options.seeds))
    if min(options.seeds) < 0:
        raise ValueError(f"`--seeds` must be at least 0. Received: {min(options.seeds)}")
    if SCALES[options.scale].world is None:
        for name in ("data", "t5"):
            if getattr(options, name) is None:
                raise ValueError(f"`--{name}` must be given with --scale {options.scale}.")
    else:
        for name in ("data", "best_checkpoint"):
            if getattr(options, name):
                option = name.replace("_", "-")
                raise ValueError(f"`--{option}` must be left out with --scale tiny.")
    scale = SCALES[options.scale]
    options.scale = asked_scale(scale, options.steps, options.t5, options.question_task)
    check_t5(t5_path(options.scale))
    return options


def choose(scale: Scale, only: str | None) -> list[Comparison]:
    """The comparisons asked for, in the order of the paper; `figure3` is both of its halves."""
    known = comparisons(scale)
    if only is None:
        return known
    asked = only.split(",")
    names = {comparison.key: comparison.key.split("-")[0] for comparison in known}
    unknown = sorted(set(asked) - {*names, *names.values()})
    if unknown:
        raise ValueError(
            f"`--only` must be some of {', '.join(names)}. Received: {', '.join(unknown)}"
        )
    return [c for c in known if c.key in asked or names[c.key] in asked]


def described_data(options: argparse.Namespace) -> tuple[TrainingData | None, dict[str, Any]]:
    """The data, `None` for a report only, and what is known of them."""
    file = options.output / "data.json"
    kept = json.loads(file.read_text()) if file.is_file() else None
    if options.report_only:
        if kept is None:
            raise ValueError(f"`--output` must hold results. Received: {options.output}")
        return None, kept
    data = load_data(options.scale, options.output / "data", options.data)
    described = describe_data(data, options.scale)
    if kept is not None and kept["fingerprint"] != described["fingerprint"]:
        raise ValueError(f"`--output` must be of the same data, or new. Received: {options.output}")
    write(file, json.dumps(described, indent=1).encode())
    return data, described


def check_question_task(chosen: list[Comparison], described: dict[str, Any]) -> None:
    for comparison in chosen:
        if comparison.task is not None and comparison.task not in described["test"]:
            raise ValueError(
                f"`--question-task` must be one of {', '.join(described['test'])} for "
                f"{comparison.key}. Received: {comparison.task}"
            )


def result_file(folder: Path, cell: Cell, seed: int) -> Path:
    return folder / "cells" / f"{cell.name}-{seed}.json"


def checkpoint_folder(folder: Path, cell: Cell, seed: int) -> Path:
    return folder / "checkpoints" / f"{cell.name}-{seed}"


def kept_results(
    plan: list[tuple[Cell, int]], described: dict[str, Any], options: argparse.Namespace
) -> Results:
    """What is there already; it is an error if it or a checkpoint is of other settings."""
    results: Results = {}
    for cell, seed in plan:
        asked = settings_of(cell, options.scale, seed, described, options.best_checkpoint)
        file = result_file(options.output, cell, seed)
        started = checkpoint_folder(options.output, cell, seed) / "settings.json"
        if file.is_file():
            results[cell.name, seed] = json.loads(file.read_text())
            check_settings(file, results[cell.name, seed]["settings"], asked)
        elif started.is_file():
            check_settings(started, json.loads(started.read_text()), asked)
    return results


def run_missing(
    plan: list[tuple[Cell, int]],
    results: Results,
    data: TrainingData,
    described: dict[str, Any],
    options: argparse.Namespace,
    console: Console,
) -> None:
    """Runs what is missing, and writes each result as soon as it is there."""
    scale = options.scale
    missing = list({(c.name, s): (c, s) for c, s in plan if (c.name, s) not in results}.values())
    with Progress(console=console, disable=not console.is_terminal, transient=True) as progress:
        cells = progress.add_task("Cells", total=len(missing))
        steps = progress.add_task("Steps", total=scale.steps)
        for number, (cell, seed) in enumerate(missing, 1):
            progress.reset(steps, description=f"{cell.name}, seed {seed}")
            start = time.perf_counter()
            checkpoints = checkpoint_folder(options.output, cell, seed)
            settings = settings_of(cell, scale, seed, described, options.best_checkpoint)
            advance = partial(progress.advance, steps)
            result = run_cell(cell, scale, data, settings, checkpoints, advance)
            result = {"settings": settings, **result, "seconds": time.perf_counter() - start}
            content = json.dumps(result, indent=1).encode()
            write(result_file(options.output, cell, seed), content)
            shutil.rmtree(checkpoints, ignore_errors=True)
            results[cell.name, seed] = result
            progress.advance(cells)
            console.print(
                f"{number} of {len(missing)}: {cell.name}, seed {seed}: "
                f"{result['average']:.1f} in {result['seconds']:.0f} s",
                highlight=False,
            )


if __name__ == "__main__":
    sys.exit(main())
