"""python -m recipes.benchmarks.data --data DIR --output bench

What comes before the model, on a folder in the shape of KILT (corpus.jsonl, <task>-train.jsonl
and <task>-dev.jsonl, the first trained on), or without --data on an invented world. The corpus is
laid out on disk, `--k` passages are retrieved by BM25 for each training question, and all token
ids are kept on disk and memory-mapped. Then

the bytes that a passage takes on disk; the memory that training holds of the corpus, whatever its
length, and for comparison the bytes a passage of a `Corpus`; the relevance filter: examples of
each task before and after, and for which reason they were kept; the share of each task in
`--share-steps` batches of the mixture beside its weight; and the examples a second that
`data.mixture` gives to one process, `--steps` batches in each round.

Prints tables and writes DIR/data-BACKEND.json.
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from glimmer_keras.data import Corpus, DiskCorpus, Task, read_folder
from glimmer_keras.pipelines import bm25_index, relevance_filter, tokenize, write_retrieved
from recipes.benchmarks.machine import machine
from recipes.benchmarks.parts.token_data import (
    bytes_held,
    bytes_on_disk,
    examples_per_second,
    make_preprocessor,
    shares,
)
from recipes.benchmarks.report import write_report
from recipes.benchmarks.timing import spread
from recipes.worlds.tasks import world_tasks

REASONS = ("gold", "overlap", "answer", "dropped")


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    options, console = parse(arguments), Console()
    report: dict[str, Any] = {"settings": vars(options), "machine": machine()}
    if options.data:
        corpus, tasks, _ = read_folder(options.data, options.tasks)
    else:
        corpus, tasks, _ = world_tasks()
    weights = options.weights or [1.0] * len(tasks)
    with tempfile.TemporaryDirectory(dir=options.work) as folder:
        disk = DiskCorpus.write(Path(folder) / "corpus", corpus)
        del corpus
        tasks, report["retrieval"] = retrieve(Path(folder), disk, tasks, options)
        kept, report["filter"] = filter_tasks(disk, tasks)
        preprocessor = make_preprocessor(options)
        tokens, passages = tokenize(kept, disk, preprocessor, Path(folder) / "tokens")
        report["passages"] = len(disk)
        report["on_disk"] = bytes_on_disk(Path(folder), len(disk))
        report["held"], report["held_by_corpus"] = bytes_held(Path(folder), disk, preprocessor)
        report["shares"] = shares(tokens, weights, options)
        rates = [
            examples_per_second(tokens, passages, weights, options) for _ in range(options.repeats)
        ]
        report["examples_per_second"] = spread(rates)
    print_report(console, report)
    write_report(console, "data", report, options.output)
    return report


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[2])
    parser.add_argument("--data", metavar="DIR", help="folder in KILT's shape, else a made world")
    parser.add_argument("--tasks", nargs="+", default=[], help="of --data; else all")
    parser.add_argument("--weights", type=floats, help="of the tasks, 1,2,...; else all alike")
    parser.add_argument("--k", type=int, default=25, help="retrieved passages")
    parser.add_argument("--question-length", type=int, default=48)
    parser.add_argument("--passage-length", type=int, default=304)
    parser.add_argument("--answer-length", type=int, default=32)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--steps", type=int, default=200, help="batches in a round")
    parser.add_argument("--repeats", type=int, default=3, help="rounds")
    parser.add_argument("--share-steps", type=int, default=10000, help="batches for the shares")
    parser.add_argument("--work", metavar="DIR", help="for corpus and tokens, else a temporary one")
    parser.add_argument("--output", metavar="DIR")
    return parser.parse_args(arguments)


def floats(text: str) -> list[float]:
    return [float(number) for number in text.split(",")]


def retrieve(
    folder: Path, corpus: DiskCorpus, tasks: list[Task], options: argparse.Namespace
) -> tuple[list[Task], dict[str, Any]]:
    """Give the tasks with their rows, and how long retrieval took for each."""
    index, retrieved, seconds = bm25_index(corpus, folder / "index"), [], {}
    for task in tasks:
        started = time.perf_counter()
        path = folder / "retrieved" / task.name
        retrieved.append(write_retrieved(index, task, corpus, path, options.k))
        seconds[task.name] = time.perf_counter() - started
    return retrieved, {"seconds": seconds}


def filter_tasks(
    corpus: Corpus, tasks: list[Task]
) -> tuple[list[Task], dict[str, dict[str, float]]]:
    """Give what the relevance filter keeps, and its counts and seconds."""
    kept, report = [], {}
    for task in tasks:
        started = time.perf_counter()
        left, counts = relevance_filter(task, corpus)
        seconds = time.perf_counter() - started
        kept.append(left)
        report[task.name] = {"before": len(task), "after": len(left), **counts, "seconds": seconds}
    return kept, report


def print_report(console: Console, report: dict[str, Any]) -> None:
    counts = "before", "after", *REASONS
    rows = {name: [f"{row[key]:,}" for key in counts] for name, row in report["filter"].items()}
    console.print(as_table("The relevance filter", counts, rows))
    rows = {
        name: [f"{row['weight']:.4f}", f"{row['share']:.4f}", f"{row['off']:+.2%}"]
        for name, row in report["shares"].items()
    }
    console.print(as_table("Shares of the mixture", ("weight", "share", "off"), rows))
    speed = report["examples_per_second"]
    console.print(
        f"Examples a second: {speed['median']:,.0f} ({speed['min']:,.0f} to {speed['max']:,.0f}), "
        f"{report['settings']['k']} passages of {report['settings']['passage_length']} tokens"
    )
    sizes = ", ".join(f"{name} {size:,.0f}" for name, size in report["on_disk"].items())
    console.print(f"{report['passages']:,} passages; bytes a passage on disk: {sizes}")
    console.print(
        f"Memory held: {sum(report['held'].values()) / 1000:,.1f} kB, "
        f"as a Corpus {report['held_by_corpus']:,.0f} bytes a passage"
    )


def as_table(title: str, columns: tuple[str, ...], rows: dict[str, list[str]]) -> Table:
    table = Table("task", title=title)
    for name in columns:
        table.add_column(name, justify="right")
    for name, row in rows.items():
        table.add_row(name, *row)
    return table


if __name__ == "__main__":
    main()
