"""python recipes/benchmark_data.py --data DIR --output bench

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
import itertools
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras_hub
import numpy as np
from _benchmark import machine, spread, write_report
from _world_tasks import world_tasks
from rich.console import Console
from rich.table import Table

from glimmer_keras import GlimmerPreprocessor
from glimmer_keras.data import (
    Corpus,
    DiskCorpus,
    MixtureSampler,
    Task,
    TokenizedCorpus,
    TokenizedTask,
    mixture,
    read_folder,
)
from glimmer_keras.models.t5_weights import PRESETS
from glimmer_keras.pipelines import bm25_index, relevance_filter, tokenize, write_retrieved

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
        report["on_disk"] = on_disk(Path(folder), len(disk))
        report["held"], report["held_by_corpus"] = held(Path(folder), disk, preprocessor)
        report["shares"] = shares(tokens, weights, options)
        rates = [rate(tokens, passages, weights, options) for _ in range(options.repeats)]
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
    """The tasks with their rows, and how long retrieval took for each."""
    index, found, seconds = bm25_index(corpus, folder / "index"), [], {}
    for task in tasks:
        started = time.perf_counter()
        path = folder / "retrieved" / task.name
        found.append(write_retrieved(index, task, corpus, path, options.k))
        seconds[task.name] = time.perf_counter() - started
    return found, {"seconds": seconds}


def filter_tasks(
    corpus: Corpus, tasks: list[Task]
) -> tuple[list[Task], dict[str, dict[str, float]]]:
    """What the relevance filter keeps, and its counts and seconds."""
    kept, report = [], {}
    for task in tasks:
        started = time.perf_counter()
        left, counts = relevance_filter(task, corpus)
        seconds = time.perf_counter() - started
        kept.append(left)
        report[task.name] = {"before": len(task), "after": len(left), **counts, "seconds": seconds}
    return kept, report


def make_preprocessor(options: argparse.Namespace) -> GlimmerPreprocessor:
    """With the tokenizer of the tiny world: which one is used is all the same for speed."""
    tokenizer = keras_hub.models.T5Tokenizer.from_preset(str(PRESETS / "tiny_world"))
    lengths = options.question_length, options.passage_length, options.answer_length
    return GlimmerPreprocessor(tokenizer, *lengths, options.k)


def on_disk(folder: Path, passages: int) -> dict[str, float]:
    """Bytes a passage of the corpus, of the BM25 index, and of token ids, the tasks' among them."""
    sizes = {
        name: sum(path.stat().st_size for path in (folder / name).rglob("*") if path.is_file())
        for name in ("corpus", "index", "tokens")
    }
    return {name: size / passages for name, size in sizes.items()}


def held(
    folder: Path, disk: DiskCorpus, preprocessor: GlimmerPreprocessor
) -> tuple[dict[str, int], float]:
    """Bytes of memory of the corpus on disk and of its token ids, and a passage of a `Corpus`.

    What Python and NumPy allocate and keep; memory-mapped pages, which the system takes back when
    it needs them, are not among it.
    """
    made: dict[str, Callable[[], Any]] = {
        "corpus": lambda: DiskCorpus(disk.path),
        "tokens": lambda: tokenize([], disk, preprocessor, folder / "tokens"),
        "Corpus": lambda: Corpus(disk),
    }
    found = {}
    for name, make in made.items():
        make()  # what is imported or cached only once belongs to no passage
        tracemalloc.start()
        kept = make()
        found[name] = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        del kept
    in_memory = found.pop("Corpus") / len(disk)
    return found, in_memory


def shares(
    tasks: list[TokenizedTask], weights: list[float], options: argparse.Namespace
) -> dict[str, dict[str, float]]:
    """Each task's weight, its share of the batches, and how far that is off, of the weight."""
    sampler = MixtureSampler([task.answer_counts for task in tasks], options.batch, 0, weights)
    drawn = np.zeros(len(tasks), "int64")
    for numbers, _, _ in itertools.islice(sampler, options.share_steps):
        drawn += np.bincount(numbers, minlength=len(tasks))
    found = {}
    for task, weight, count in zip(tasks, sampler.probabilities, drawn, strict=True):
        share = count / drawn.sum()
        off = share / weight - 1 if weight else 0.0
        found[task.name] = {"weight": float(weight), "share": float(share), "off": float(off)}
    return found


def rate(
    tasks: list[TokenizedTask],
    passages: TokenizedCorpus,
    weights: list[float],
    options: argparse.Namespace,
) -> float:
    """Examples a second of the mixture, after one batch has come."""
    batches = iter(mixture(tasks, passages, options.batch, weights=weights))
    next(batches)
    started = time.perf_counter()
    for _ in range(options.steps):
        next(batches)
    return options.steps * options.batch / (time.perf_counter() - started)


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
