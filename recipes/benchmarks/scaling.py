"""KERAS_BACKEND=jax python -m recipes.benchmarks.scaling --size base --output bench

Seconds of reading a question's passages from memory (GLIMMER: the question's memory, stage A,
selection and stage B) against their number k. By the paper's formulas that is a straight line: each
further passage costs stage A, and stage B always reads m. All k are timed in turn, round by round,
on random memory without padding.

Prints a table of times, of the line that fits them best (least squares of relative errors), and of
the slope between each two neighbours, beside what the matrix work of the model gives with one speed
for all of it: that which the fitted line has. Writes DIR/scaling-BACKEND.json, and a plot if
matplotlib is there (the `report` extra).
"""

import argparse
import importlib.util
import statistics
from pathlib import Path
from typing import Any

import keras
import numpy as np
from rich.console import Console
from rich.table import Table

from glimmer_keras import Glimmer
from glimmer_keras.models.matrix_work import answering_work
from recipes.benchmarks.limits import Peak, print_limits
from recipes.benchmarks.machine import machine
from recipes.benchmarks.options import (
    add_jit_argument,
    add_timing_arguments,
    numbers,
    read_arguments,
)
from recipes.benchmarks.parts.answering import make_inputs
from recipes.benchmarks.report import write_report
from recipes.benchmarks.timing import fastest, interleaved, spread


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    options, console = parse(arguments), Console()
    glimmer = Glimmer.from_size(options.size, dtype=options.dtype, num_selected=options.m)
    backbone, calls, jit = glimmer.backbone, {}, {}

    def read(inputs):
        read = backbone.read(inputs)
        return {name: read[name] for name in ("encoded_passages", "passage_scores")}

    for k in options.passages:
        console.print(f"{options.size}, {k} passages, {keras.backend.backend()}: compiling")
        settings = argparse.Namespace(**vars(options), k=k, answer_length=1)
        inputs = (make_inputs(glimmer, 1, settings),)
        calls[k], _, jit[k] = fastest(read, glimmer, inputs, options.jit)
    peak = Peak(backbone, max(options.passages) * options.passage_length, options.jit)
    times = interleaved(calls, options.repeats, peak.measure)
    report = {"settings": vars(options), "machine": machine(), "peak": peak.report(), "jit": jit}
    work = {k: reading_work(backbone, k, options) for k in options.passages}
    report["seconds"] = {k: spread(values) for k, values in times.items()}
    report |= line(work, {k: statistics.median(values) for k, values in times.items()})
    report["share_of_peak"] = report["macs_per_second"] / statistics.median(peak.rounds)
    print_report(console, report)
    write_report(console, "scaling", report, options.output)
    if options.output and importlib.util.find_spec("matplotlib"):
        plot(report, Path(options.output) / f"scaling-{keras.backend.backend()}.png")
    return report


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[2])
    parser.add_argument("--size", default="base")
    parser.add_argument("--passages", type=numbers, default=[5, 10, 25, 50, 100], help="k")
    parser.add_argument("--m", type=int, default=5, help="passages that GLIMMER selects")
    parser.add_argument("--question-length", type=int, default=48)
    parser.add_argument("--passage-length", type=int, default=352, help="with the question")
    add_timing_arguments(parser)
    add_jit_argument(parser)
    options = read_arguments(parser, arguments)
    options.passages = sorted(set(options.passages))
    if len(options.passages) < 2 or options.passages[0] < options.m:
        parser.error("--passages must be two numbers or more, each at least --m")
    return options


def reading_work(backbone: Any, k: int, options: argparse.Namespace) -> int:
    """Count the multiply-accumulates of reading k passages."""
    question = options.question_length
    parts = answering_work(backbone, k, question, options.passage_length - question, answer=1)
    return parts["rerank"].total + parts["encode"].total


def line(work: dict[int, int], medians: dict[int, float]) -> dict[str, Any]:
    """Fit a line to the times, and tell how far they are from it and from the work's.

    `slope` and `start` in seconds; `off_line` the relative distances of the times from it;
    `macs_per_second` the one speed at which the work fits the times best, and `off_work` their
    distances from that; `slope_over_work` the fitted slope over the work's at that speed.
    """
    k, seconds = np.array(list(medians)), np.array(list(medians.values()))
    done = np.array([work[number] for number in medians], dtype=float)
    columns = np.stack([np.ones(len(k)), k], axis=1) / seconds[:, None]
    (start, slope), *_ = np.linalg.lstsq(columns, np.ones(len(k)), rcond=None)
    # The reciprocal speed with the least sum of squares of `done / speed / seconds - 1`.
    relative = done / seconds
    speed = float(np.sum(relative**2) / np.sum(relative))
    by_work = (done[-1] - done[0]) / (k[-1] - k[0]) / speed
    return {
        "slope": float(slope),
        "start": float(start),
        "off_line": dict(zip(medians, (seconds / (start + slope * k) - 1).tolist(), strict=True)),
        "macs_per_second": speed,
        "off_work": dict(zip(medians, (seconds * speed / done - 1).tolist(), strict=True)),
        "slope_over_work": float(slope / by_work),
    }


def print_report(console: Console, report: dict[str, Any]) -> None:
    size, backend = report["settings"]["size"], report["machine"]["backend"]
    columns = ("milliseconds (median)", "lowest", "highest", "off the line", "off the work", "jit")
    table = Table("passages", *columns, title=f"Reading k passages, {size} on {backend}")
    for k, seconds in report["seconds"].items():
        cells = [f"{1000 * seconds[key]:.1f}" for key in ("median", "min", "max")]
        cells += [f"{report[off][k]:+.1%}" for off in ("off_line", "off_work")]
        table.add_row(str(k), *cells, report["jit"][k])
    console.print(table)
    console.print(
        f"{1000 * report['slope']:.2f} ms a passage and {1000 * report['start']:.1f} ms besides: "
        f"a slope {report['slope_over_work']:.2f} times that of the matrix work at "
        f"{2e-9 * report['macs_per_second']:.0f} GFLOP/s, {report['share_of_peak']:.0%} of the peak"
    )
    print_limits(console, report)


def plot(report: dict[str, Any], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 3.5), layout="constrained")
    axes = figure.add_subplot()
    k = list(report["seconds"])
    medians = [report["seconds"][number]["median"] for number in k]
    axes.plot(k, medians, "o", label="measured (median)")
    axes.plot(k, [report["start"] + report["slope"] * number for number in k], label="line")
    axes.set_xlabel("passages k")
    axes.set_ylabel("seconds of reading them")
    axes.legend()
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    main()
