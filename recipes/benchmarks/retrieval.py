"""python -m recipes.benchmarks.retrieval --data DIR --embedder FOLDER --output bench

In how many development questions of a folder in the shape of KILT (corpus.jsonl, <task>-dev.jsonl)
a gold passage, any of them, is among the first passages that BM25 finds, that a sentence encoder
finds, and that both find, fused by reciprocal rank; by task, and as the mean of the tasks.

FOLDER is an encoder as sentence-transformers keeps it, such as all-MiniLM-L6-v2. With
--peer-python, a Python that has sentence-transformers, the same texts are embedded by that, too:
the greatest difference of two vectors is told, of texts without marks such as [SEP], and what its
vectors find.

Prints a table and writes DIR/retrieval-BACKEND.json; DIR/dense keeps the vectors, and the same
command goes on with them.
"""

import argparse
import json
import re
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from glimmer_keras.data import Corpus, Task, read_corpus, read_task
from glimmer_keras.metrics import success_rate_at
from glimmer_keras.models import TextEmbedder
from glimmer_keras.pipelines import TextVectors, bm25_index, dense_index
from glimmer_keras.retrieval import DenseRetriever, FusedRetriever, Retriever
from recipes.benchmarks.machine import machine
from recipes.benchmarks.processes import environment
from recipes.benchmarks.report import write_report

DEPTHS = (1, 2, 8, 20, 100)
DEV = "-dev.jsonl"
MARK = re.compile(r"\[(SEP|CLS|MASK|PAD|UNK)\]|</?s>|<(pad|mask|unk)>")


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder as KILT's")
    parser.add_argument("--embedder", type=Path, required=True)
    parser.add_argument("--peer-python", help="with sentence-transformers")
    parser.add_argument("--limit", type=int, help="questions of each task, by default all")
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args(arguments)
    console = Console()
    options.output.mkdir(parents=True, exist_ok=True)
    corpus = read_corpus(options.data / "corpus.jsonl")
    paths = sorted(options.data.glob(f"*{DEV}"))
    tasks = [Task(p.name[: -len(DEV)], list(read_task(p, p.stem))[: options.limit]) for p in paths]
    embedder = TextEmbedder.from_hugging_face(options.embedder)
    bm25 = bm25_index(corpus, options.output / "bm25")
    dense = dense_index(corpus, embedder, options.output / "dense", dtype="float32")
    retrievers = {"BM25": bm25, "dense": dense, "fused": FusedRetriever([bm25, dense])}
    report: dict[str, Any] = {"settings": {n: str(v) for n, v in vars(options).items()}}
    report["machine"] = machine()
    if options.peer_python:
        encode = TextVectors(embedder)
        passages, questions = peer_vectors(options, corpus, tasks)
        ours = [dense.vectors, *(encode([e.question for e in task]) for task in tasks)]
        theirs = [passages, *questions]
        texts = [p.content for p in corpus] + [e.question for task in tasks for e in task]
        plain = np.array([MARK.search(text) is None for text in texts])
        pair = np.concatenate(ours)[plain], np.concatenate(theirs)[plain]
        report["difference"] = float(np.abs(pair[0] - pair[1]).max())
        console.print(
            f"Greatest difference of a number: {report['difference']:.1e}, in {plain.sum():,} "
            f"texts; {(~plain).sum():,} have a mark such as [SEP], which is text for us"
        )
        every = [example.question for task in tasks for example in task]
        asked = dict(zip(every, np.concatenate(questions), strict=True))
        original = DenseRetriever(passages, lambda texts: np.stack([asked[t] for t in texts]))
        retrievers["sentence-transformers"] = original
    report["success"] = {name: found(r, corpus, tasks) for name, r in retrievers.items()}
    console.print(table_of(report["success"]))
    write_report(console, "retrieval", report, str(options.output))
    return report


def found(retriever: Retriever, corpus: Corpus, tasks: Sequence[Task]) -> dict[str, list[float]]:
    """Percent of the questions with a gold passage among the first, by task, for each depth."""
    table = {}
    for task in tasks:
        rows, _ = retriever.search([example.question for example in task], max(DEPTHS))
        hits = []
        for example, ranked in zip(task, rows.tolist(), strict=True):
            gold = {row for sets in corpus.evidence_rows(example) for row in sets}
            if gold:
                sets = [{row} for row in gold]
                hits.append([success_rate_at(ranked, sets, depth) for depth in DEPTHS])
        table[task.name] = [100 * float(share) for share in np.mean(hits, axis=0)]
    mean = [statistics.mean(row[n] for row in table.values()) for n in range(len(DEPTHS))]
    return table | {"mean": mean}


def peer_vectors(
    options: argparse.Namespace, corpus: Corpus, tasks: Sequence[Task]
) -> tuple[np.ndarray, list[np.ndarray]]:
    """What sentence-transformers makes of the passages, and of the questions of each task."""
    texts = options.output / "texts.json"
    groups = [[p.content for p in corpus], *([e.question for e in task] for task in tasks)]
    texts.write_text(json.dumps(groups))
    command = [options.peer_python, "-m", "recipes.benchmarks.hugging_face.sentences"]
    folders = [str(path) for path in (options.embedder, texts, options.output / "peer.npz")]
    subprocess.run([*command, *folders], check=True, env=environment())
    with np.load(options.output / "peer.npz", allow_pickle=False) as file:
        passages, *questions = (file[f"arr_{n}"] for n in range(len(groups)))
    return passages, questions


def table_of(success: dict[str, dict[str, list[float]]]) -> Table:
    table = Table("task", title="A gold passage among the first, in percent of the questions")
    for name in success:
        table.add_column(f"{name} " + " ".join(f"@{depth}" for depth in DEPTHS), justify="right")
    for task in next(iter(success.values())):
        table.add_row(task, *(" ".join(f"{x:.1f}" for x in of[task]) for of in success.values()))
    return table


if __name__ == "__main__":
    main(sys.argv[1:])
