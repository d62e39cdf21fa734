from __future__ import annotations

import argparse
from pathlib import Path

from glimmer_keras.cli.arguments import (
    CORPUS_HELP,
    QUESTIONS_HELP,
    add_retriever_arguments,
    add_where_argument,
    check_retriever,
    retriever_of,
    where_of,
)
from glimmer_keras.cli.start_keras import start_keras


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("corpus", metavar="CORPUS", help=CORPUS_HELP)
    parser.add_argument("tasks", metavar="TASK", nargs="+", help=QUESTIONS_HELP)
    parser.add_argument(
        "--output",
        metavar="DIR",
        required=True,
        help="gets a folder for each TASK, of its name, and a file for KILT's evaluator",
    )
    parser.add_argument(
        "-k", "--num-passages", type=int, default=100, metavar="K", help="passages a question (100)"
    )
    add_retriever_arguments(parser)
    add_where_argument(parser)
    parser.add_argument(
        "--index",
        help="where the BM25 index is kept, or without it the vectors (default: in DIR)",
    )


def run(args: argparse.Namespace) -> int:
    output = Path(args.output)
    names = [Path(path).name.split(".")[0] for path in args.tasks]
    if len(set(names)) < len(names):
        raise ValueError(f"`TASK` must be files of different names. Received: {names}")
    check_retriever(args)
    where = where_of(args)
    if args.num_passages < 1:
        raise ValueError(f"`--num-passages` must be at least 1. Received: {args.num_passages}")
    start_keras()
    from glimmer_keras.data import read_corpus, read_task
    from glimmer_keras.pipelines import write_kilt_retrieval, write_retrieved

    tasks = {
        name: read_task(path, name, unanswered="keep")
        for name, path in zip(names, args.tasks, strict=True)
    }
    corpus = read_corpus(args.corpus)
    only_dense = args.embedder is not None and not args.bm25
    bm25, dense = output / "index.bm25", output / "index.dense"
    retriever = retriever_of(
        args, corpus, args.index or bm25, (args.index or dense) if only_dense else dense
    )
    for name, task in tasks.items():
        retrieved = write_retrieved(
            retriever, task, corpus, output / name, args.num_passages, where=where
        )
        write_kilt_retrieval(retrieved, corpus, output / f"{name}.jsonl")
        print(f"{output / name}: {len(retrieved):,} questions, {args.num_passages} passages each")
    return 0
