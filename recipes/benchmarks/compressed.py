"""python -m recipes.benchmarks.compressed --preset wikipedia_small --data DIR --output bench

What compressed memory costs in answers. The passages that BM25 finds for questions of a folder in
the shape of KILT are encoded once in float32; that store is converted to each of `--dtypes`, and
the questions are answered from each. --part train has the first `--limit` training questions of
each task, dev the development questions; --world has an invented world's test questions in place
of a folder.

Prints for each type the bytes of a token, the seconds of reading the passages of a question, over
those of bfloat16 too, the share of answers equal to float32's, exact match, and how often a gold
passage is among those read. Writes DIR/compressed-BACKEND.json.
"""

import argparse
import itertools
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np
from rich.console import Console
from rich.table import Table

import glimmer_keras as gk
from glimmer_keras.data import Corpus, Task, read_corpus, read_task
from glimmer_keras.evaluation import score_tasks
from glimmer_keras.memory import MemoryStore
from glimmer_keras.pipelines import Predictions, bm25_index, encode_corpus
from recipes.benchmarks.machine import machine
from recipes.benchmarks.options import names
from recipes.benchmarks.report import write_report
from recipes.worlds.tasks import world_tasks

EXACT = "float32"
DTYPES = ["bfloat16", "int8", "pq:8", "pq:16", "pq:32"]
WORLD = {"seed": 2027}
READS = 30


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    options, console = parse(arguments), Console()
    glimmer = gk.Glimmer.from_preset(options.preset, dtype=options.dtype)
    glimmer.compile(sampler="greedy")
    corpus, tasks = asked(options)
    report: dict[str, Any] = {"settings": vars(options), "machine": machine()}
    report |= {"passages": len(corpus), "questions": sum(map(len, tasks)), "dtypes": {}}
    with tempfile.TemporaryDirectory(dir=options.work) as work:
        store = encode_corpus(glimmer, corpus, Path(work, "exact"), EXACT)
        expected: dict[str, Predictions] = {}
        for dtype in [EXACT, *options.dtypes]:
            console.print(f"Answering from {dtype}")
            kind = store
            if dtype != EXACT:
                kind = store.convert(Path(work, dtype.replace(":", "-")), dtype)
            info = kind.info()
            reader = gk.Reader(glimmer, kind, num_passages=options.k, batch_size=options.batch_size)
            found = {task.name: answered(reader, task, corpus) for task in tasks}
            table = score_tasks(tasks, corpus, found)
            expected = expected or found
            report["dtypes"][dtype] = {
                "bytes_a_token": info["bytes"] / info["tokens"],
                "read_seconds": read_seconds(kind, tasks, corpus),
                "same_answers": same_answers(expected, found),
                **{name: table["average"].get(name) for name in ("exact_match", "reranked_recall")},
            }
    print_report(console, report)
    write_report(console, "compressed", report, options.output)
    return report


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preset", default="wikipedia_small")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--data", type=Path, metavar="DIR", help="folder as KILT's")
    where.add_argument("--world", action="store_true", help="the invented world")
    parser.add_argument("--part", choices=["train", "dev"], default="train")
    parser.add_argument("--limit", type=int, default=100, help="questions of each task")
    parser.add_argument("--k", type=int, default=8, help="retrieved passages")
    parser.add_argument("--dtypes", type=names, default=DTYPES)
    parser.add_argument("--dtype", help="of the model, such as mixed_bfloat16")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--work", metavar="DIR", help="where the stores are, for a while")
    parser.add_argument("--output", metavar="DIR")
    options = parser.parse_args(arguments)
    options.data = options.data and str(options.data)
    return options


def asked(options: argparse.Namespace) -> tuple[Corpus, list[Task]]:
    """The tasks with the passages that BM25 finds, and a corpus of these passages alone."""
    if options.world:
        corpus, _, tasks = world_tasks(**WORLD)
    else:
        folder, ending = Path(options.data), f"-{options.part}.jsonl"
        corpus = read_corpus(folder / "corpus.jsonl")
        files = sorted(folder.glob(f"*{ending}"))
        tasks = [read_task(path, path.name.removesuffix(ending)) for path in files]
    tasks = [task.take(options.limit) for task in tasks]
    retriever = bm25_index(corpus)
    found = [retriever.search([e.question for e in task], options.k)[0] for task in tasks]
    rows = np.unique(np.concatenate([part.ravel() for part in found]))
    rows = rows[rows >= 0]
    place = {int(row): number for number, row in enumerate(rows)} | {-1: -1}
    return Corpus([corpus[int(row)] for row in rows]), [
        task.with_retrieved(np.vectorize(place.get)(part).astype("int32"))
        for task, part in zip(tasks, found, strict=True)
    ]


def answered(reader: gk.Reader, task: Task, corpus: Corpus) -> Predictions:
    """Answer from the passages that were found."""
    ids = [[corpus[int(row)].id for row in rows if row >= 0] for rows in task.retrieved]
    return Predictions.from_answers(reader.answer([e.question for e in task], ids))


def read_seconds(store: MemoryStore, tasks: list[Task], corpus: Corpus) -> float:
    """The median of reading what questions find."""
    rows = itertools.chain.from_iterable(task.retrieved for task in tasks)
    taken = []
    for found in itertools.islice(rows, READS):
        ids = [corpus[int(row)].id for row in found if row >= 0]
        started = time.perf_counter()
        store.read(ids)
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def same_answers(expected: dict[str, Predictions], found: dict[str, Predictions]) -> float:
    pairs = [
        pair
        for name in expected
        for pair in zip(expected[name].answers, found[name].answers, strict=True)
    ]
    return statistics.mean(one == other for one, other in pairs)


def print_report(console: Console, report: dict[str, Any]) -> None:
    columns = ("bytes a token", "reading, ms", "same answers", "exact match", "gold among read")
    title = f"{report['questions']} questions, {keras.backend.backend()}"
    table = Table("memory", *columns, title=title)
    for dtype, row in report["dtypes"].items():
        recall = row["reranked_recall"]
        table.add_row(
            dtype,
            f"{row['bytes_a_token']:.1f}",
            f"{1e3 * row['read_seconds']:.2f}",
            f"{100 * row['same_answers']:.1f}",
            f"{100 * row['exact_match']:.1f}",
            "" if recall is None else f"{100 * recall:.1f}",
        )
    console.print(table)


if __name__ == "__main__":
    main()
