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
from functools import partial
from pathlib import Path
from typing import Any

import keras_hub
from _multitask_settings import Help, OneLineParser
from _paper_cells import Cell
from _paper_claims import Comparison
from _paper_comparisons import comparisons, distinct_cells
from _paper_report import write_report
from _paper_run import describe_data, load_data, run_cell, settings_of, t5_path, with_steps
from _paper_scale import SCALES, Scale
from _paper_summary import Results
from _paper_times import measured_times
from _training_data import TrainingData, write
from rich.console import Console
from rich.progress import Progress


def main(argv: list[str] | None = None) -> int:
    logging.basicConfig(format="%(message)s")
    # It warns that functions are traced again and again: each cell has its own.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    console = Console(stderr=True)
    try:
        options = read_options(argv)
        scale = with_steps(SCALES[options.scale], options.steps, options.t5)
        check_t5(scale)
        chosen = choose(scale, options.only)
        data, described = described_data(scale, options)
        plan = [
            (cell, seed)
            for comparison in chosen
            for seed in options.seeds
            for cell in distinct_cells([comparison])
        ]
        results = kept_results(plan, scale, described, options)
        if data is not None:
            run_missing(plan, results, scale, data, described, options, console)
        times = measured_times(scale, options.output / "times.json", console)
        write_report(options.output, scale, chosen, options.seeds, results, times, described)
    except (ValueError, OSError, ImportError) as error:
        print("error:", *str(error).split(), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Stopped; the same command goes on", file=sys.stderr)
        return 130
    console.print(f"Written: {options.output / 'REPORT.md'}")
    return 0


def read_options(argv: list[str] | None) -> argparse.Namespace:
    parser = OneLineParser(description=__doc__, formatter_class=Help)
    add = parser.add_argument
    add("--output", type=Path, required=True, help="folder of results and report")
    add("--scale", choices=SCALES, default="tiny", help="world and model")
    add("--seeds", type=numbers, default="0,1,2", help="with commas between")
    add("--only", help="comparisons, with commas between: main,figure3,table1; None: all")
    add("--data", type=Path, help="not with --scale tiny: folder with corpus.jsonl and the tasks")
    add("--t5", help="T5 preset or its folder; with --scale tiny, None is the package's own")
    add("--steps", type=int, help="of each training; None: the scale's")
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
    if SCALES[options.scale].world is None:
        for name in ("data", "t5"):
            if getattr(options, name) is None:
                raise ValueError(f"`--{name}` must be given with --scale {options.scale}.")
    else:
        for name in ("data", "best_checkpoint"):
            if getattr(options, name):
                option = name.replace("_", "-")
                raise ValueError(f"`--{option}` must be left out with --scale tiny.")
    return options


def numbers(text: str) -> list[int]:
    return list(dict.fromkeys(int(number) for number in text.split(",")))


def check_t5(scale: Scale) -> None:
    path, presets = t5_path(scale), keras_hub.models.T5Backbone.presets
    if not (path in presets or "://" in path or (Path(path) / "config.json").is_file()):
        raise ValueError(
            f"`--t5` must be a preset folder or one of {', '.join(presets)}. Received: {path}"
        )


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


def described_data(
    scale: Scale, options: argparse.Namespace
) -> tuple[TrainingData | None, dict[str, Any]]:
    """The data, `None` for a report only, and what is known of them."""
    file = options.output / "data.json"
    kept = json.loads(file.read_text()) if file.is_file() else None
    if options.report_only:
        if kept is None:
            raise ValueError(f"`--output` must hold results. Received: {options.output}")
        return None, kept
    data = load_data(scale, options.output / "data", options.data)
    described = describe_data(data, scale)
    if kept is not None and kept["fingerprint"] != described["fingerprint"]:
        raise ValueError(f"`--output` must be of the same data, or new. Received: {options.output}")
    write(file, json.dumps(described, indent=1).encode())
    return data, described


def result_file(folder: Path, cell: Cell, seed: int) -> Path:
    return folder / "cells" / f"{cell.name}-{seed}.json"


def kept_results(
    plan: list[tuple[Cell, int]],
    scale: Scale,
    described: dict[str, Any],
    options: argparse.Namespace,
) -> Results:
    """What is there already; it is an error if it was made by other settings."""
    results: Results = {}
    for cell, seed in plan:
        file = result_file(options.output, cell, seed)
        if not file.is_file():
            continue
        kept = json.loads(file.read_text())
        asked = settings_of(cell, scale, seed, described, options.best_checkpoint)
        for name, (had, wanted) in differences(kept["settings"], asked).items():
            raise ValueError(
                f"`--output` must hold results of the same settings: {file} has {name} {had}. "
                f"Received: {wanted}"
            )
        results[cell.name, seed] = kept
    return results


def differences(one: Any, other: Any, name: str = "") -> dict[str, tuple[Any, Any]]:
    """Where two trees of dictionaries differ, by dotted name."""
    if not (isinstance(one, dict) and isinstance(other, dict)):
        return {} if one == other else {name: (one, other)}
    found = {}
    for key in sorted({*one, *other}):
        inner = f"{name}.{key}" if name else key
        found |= differences(one.get(key), other.get(key), inner)
    return found


def run_missing(
    plan: list[tuple[Cell, int]],
    results: Results,
    scale: Scale,
    data: TrainingData,
    described: dict[str, Any],
    options: argparse.Namespace,
    console: Console,
) -> None:
    """Runs what is missing, and writes each result as soon as it is there."""
    missing = list({(c.name, s): (c, s) for c, s in plan if (c.name, s) not in results}.values())
    with Progress(console=console, disable=not console.is_terminal, transient=True) as progress:
        cells = progress.add_task("Cells", total=len(missing))
        steps = progress.add_task("Steps", total=scale.steps)
        for number, (cell, seed) in enumerate(missing, 1):
            progress.reset(steps, description=f"{cell.name}, seed {seed}")
            start = time.perf_counter()
            checkpoints = options.output / "checkpoints" / f"{cell.name}-{seed}"
            advance, best = partial(progress.advance, steps), options.best_checkpoint
            result = run_cell(cell, scale, data, seed, checkpoints, advance, best)
            settings = settings_of(cell, scale, seed, described, best)
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
