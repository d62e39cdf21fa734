"""python -m recipes.paper --output runs/paper

Reproduces the paper's comparisons in direction: Figures 2 to 7, Tables 1 to 3, and what the paper
is silent on (direction of the distillation, start of the scorer, temperatures). --scale tiny, the
default, trains on a generated world from the tiny T5 of the package, on two cores; --scale small
takes a folder in the shape of KILT and goes on from the package's reader of English; --scale base
is near the paper's setting, from a T5.1.1 and KILT (BM25, not GTR; 20,000 steps; no relevance
filter; Atlas's direction of the distillation; the last checkpoint unless --best-checkpoint):

    python -m recipes.paper --scale base --t5 t5_1.1_base --data KILT --output runs/base

Each training is one file, DIR/cells/NAME-SEED.json; the main comparison comes first. A run that
was stopped goes on with the same command, and --only with some names runs those comparisons alone.
At the end times are measured and DIR/REPORT.md, DIR/results.json and plots written: a table for
each comparison, mean and spread over seeds beside the paper's number, and a verdict by a rule that
the report tells. The report needs matplotlib: pip install "glimmer_keras[report]".
"""

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from typing import Any

from glimmer_keras.pipelines import TrainingData
from glimmer_keras.training import keep_freed_memory
from glimmer_keras.utils.files import write_file
from recipes.command import exit_code
from recipes.paper.claims import Comparison
from recipes.paper.data import describe_data, load_data
from recipes.paper.options import choose, read_options
from recipes.paper.report import write_report
from recipes.paper.results import kept_results, plan_of, run_missing
from recipes.paper.times import measured_times


@exit_code
def main(argv: Sequence[str] | None = None) -> None:
    logging.basicConfig(format="%(message)s")
    # It warns that functions are traced again and again: each cell has its own.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    keep_freed_memory()
    options = read_options(__doc__, argv)
    scale, chosen = options.scale, choose(options.scale, options.only)
    data, described = described_data(options)
    check_question_task(chosen, described)
    plan = plan_of(chosen, options.seeds)
    results = kept_results(plan, described, options)
    if data is not None:
        run_missing(plan, results, data, described, options)
    times = measured_times(scale, options.output / "times.json")
    write_report(options.output, scale, chosen, options.seeds, results, times, described)
    print(f"Written: {options.output / 'REPORT.md'}", file=sys.stderr)


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
    write_file(file, json.dumps(described, indent=1))
    return data, described


def check_question_task(chosen: list[Comparison], described: dict[str, Any]) -> None:
    for comparison in chosen:
        if comparison.task is not None and comparison.task not in described["test"]:
            raise ValueError(
                f"`--question-task` must be one of {', '.join(described['test'])} for "
                f"{comparison.key}. Received: {comparison.task}"
            )


if __name__ == "__main__":
    sys.exit(main())
