"""KERAS_BACKEND=jax python -m recipes.benchmarks.startup --size base --output bench

What it takes to begin, and whether answering stays as it began. Each part runs in child processes:

Importing: seconds of `import glimmer_keras` after `import keras, keras_hub` in a fresh process,
beside the seconds of those. Loading: a preset of random float32 weights; its greatest resident
memory over the process's before, in times of the bytes of weights, and the seconds from the loaded
model to its first answer (a `Reader` over a memory store is made, `generate` compiled and run).

Answering: a `Reader` of `--asked-size` meets every shape, questions one by one and in batches with
passages of every length; then come `--questions` of varied lengths, singly and in batches of
varied sizes, with varied passages, given by id or retrieved. Compilations are counted (all of the
process on JAX, on TensorFlow traces of the generate function), and resident memory is read after
a fifth of the questions and at the end.

Prints a table and writes DIR/startup-BACKEND.json. Needs Linux, and sentencepiece (the `dev`
extra).
"""

import argparse
import statistics
import tempfile
from typing import Any

from rich.console import Console
from rich.table import Table

from glimmer_keras.utils.progress import track
from recipes.benchmarks.machine import machine
from recipes.benchmarks.parts import startup as parts
from recipes.benchmarks.processes import run_part, run_python
from recipes.benchmarks.report import write_report
from recipes.benchmarks.timing import spread

LOADS = ("load", "load_float32", "load_bfloat16")
IMPORTS = """import time
started = time.perf_counter()
import keras, keras_hub
between = time.perf_counter()
import glimmer_keras
print("[%r, %r]" % (between - started, time.perf_counter() - between))"""


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    options, console = parse(arguments), Console()
    report: dict[str, Any] = {"settings": vars(options), "machine": machine()}
    report["import"] = importing(options.repeats)
    by_size: dict[str, dict[str, int]] = {options.size: dict.fromkeys(LOADS, options.repeats)}
    by_size.setdefault(options.asked_size, {})["answer"] = 1
    for size, rounds in by_size.items():
        with tempfile.TemporaryDirectory(dir=options.work) as folder:
            settings = {**vars(options), "size": size, "folder": folder}
            console.print(f"{size}, {report['machine']['backend']}: {', '.join(rounds)}")
            measure("prepare", settings)
            for part, times in rounds.items():
                report[part] = medians(
                    [measure(part, settings) for _ in track(range(times), part, "processes")]
                )
    print_report(console, report)
    write_report(console, "startup", report, options.output)
    return report


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[2])
    parser.add_argument("--size", default="base", help="to load")
    parser.add_argument("--asked-size", default="tiny", help="to answer all questions")
    parser.add_argument("--questions", type=int, default=1000)
    parser.add_argument("--k", type=int, default=25, help="retrieved passages")
    parser.add_argument("--m", type=int, default=5, help="passages that GLIMMER selects")
    parser.add_argument("--question-length", type=int, default=48)
    parser.add_argument("--passage-length", type=int, default=304)
    parser.add_argument("--answer-length", type=int, default=16)
    parser.add_argument("--passages", type=int, default=60, help="of the store")
    parser.add_argument("--repeats", type=int, default=5, help="of importing and of loading")
    parser.add_argument("--work", metavar="DIR", help="for presets, else a temporary folder")
    parser.add_argument("--output", metavar="DIR")
    options = parser.parse_args(arguments)
    if not options.m <= options.k <= options.passages:
        parser.error("--k must be from --m to --passages")
    if options.questions < 20:
        parser.error("--questions must be 20 or more, as memory is read twice on the way")
    return options


def importing(repeats: int) -> dict[str, Any]:
    """Time importing the package over Keras and KerasHub."""
    rounds = [run_python("-c", IMPORTS) for _ in range(repeats)]
    others, ours = zip(*rounds, strict=True)
    return {"keras_and_keras_hub": spread([*others]), "over_them": spread([*ours])}


def measure(part: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Measure a part in a process of its own."""
    return run_part(parts.__name__, {**settings, "part": part})


def medians(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """Give the median of each number, their spreads beside it; of one round that one."""
    if len(rounds) == 1:
        return rounds[0]
    values = {name: [one[name] for one in rounds] for name in rounds[0]}
    middle = {name: statistics.median(numbers) for name, numbers in values.items()}
    return {**middle, "rounds": {name: spread(numbers) for name, numbers in values.items()}}


def memory(load: dict[str, Any]) -> str:
    """Say what loading took."""
    return (
        f"{load['peak_megabytes']:,.0f} for {load['weights_megabytes']:,.0f} of weights: "
        f"{load['peak_over_weights']:.2f} times"
    )


def print_report(console: Console, report: dict[str, Any]) -> None:
    settings, load, answer = report["settings"], report["load"], report["answer"]
    imports = report["import"]
    title = f"Start-up on {report['machine']['backend']}"
    table = Table(title=title, show_header=False)
    (early, first), (_, last) = answer["megabytes"].items()
    rows = {
        "importing, s": f"{imports['over_them']['median']:.2f} over Keras's and KerasHub's "
        f"{imports['keras_and_keras_hub']['median']:.2f}",
        f"loading {settings['size']}, s": f"{load['load_seconds']:.1f}",
        "first answer, s": f"{load['first_answer_seconds']:.1f}, and the second "
        f"{load['second_answer_seconds']:.2f}",
        "memory of loading, MiB": memory(load),
        "from Hugging Face's form": memory(report["load_float32"]),
        "in bfloat16": memory(report["load_bfloat16"]),
        f"compilations in {answer['questions']:,} questions": f"{answer['compilations']} after "
        f"{answer['compilations_warming_up']} ({answer['counted']})",
        f"memory of answering, {settings['asked_size']}, MiB": f"{first['now']:,.0f} after "
        f"{int(early):,} questions, {last['now']:,.0f} at the end: "
        f"{answer['growth_megabytes']:+,.1f}",
    }
    for name, value in rows.items():
        table.add_row(name, value)
    console.print(table)


if __name__ == "__main__":
    main()
