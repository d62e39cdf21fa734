from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from glimmer_keras.cli.arguments import CORPUS_HELP, QUESTIONS_HELP
from glimmer_keras.cli.start_keras import start_keras

if TYPE_CHECKING:
    from glimmer_keras.models import TextEmbedder
    from glimmer_keras.retrieval import BM25Retriever, DenseRetriever


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("corpus", metavar="CORPUS", help=CORPUS_HELP)
    parser.add_argument("tasks", metavar="TASK", nargs="+", help=QUESTIONS_HELP)
    parser.add_argument(
        "--output", metavar="DIR", required=True, help="gets a folder for each TASK, of its name"
    )
    parser.add_argument(
        "-k", "--num-passages", type=int, default=100, metavar="K", help="passages a question (100)"
    )
    parser.add_argument(
        "--embedder", metavar="FOLDER", help="dense retrieval: a preset, or a folder of GTR's form"
    )
    parser.add_argument(
        "--faiss",
        metavar="INDEX",
        default="exact",
        help="search of vectors, approximate: an index of FAISS such as HNSW32 (exact)",
    )
    parser.add_argument(
        "--index", help="where the BM25 index or the vectors are kept (default: in DIR)"
    )


def run(args: argparse.Namespace) -> int:
    output = Path(args.output)
    names = [Path(path).name.split(".")[0] for path in args.tasks]
    if len(set(names)) < len(names):
        raise ValueError(f"`TASK` must be files of different names. Received: {names}")
    if args.embedder is None and args.faiss != "exact":
        raise ValueError(
            "`--faiss` must go with `--embedder`, whose vectors it searches. "
            f"Received: --faiss {args.faiss}"
        )
    if args.num_passages < 1:
        raise ValueError(f"`--num-passages` must be at least 1. Received: {args.num_passages}")
    start_keras()
    from glimmer_keras.data import read_corpus, read_task
    from glimmer_keras.pipelines import bm25_index, dense_index, write_retrieved

    tasks = {
        name: read_task(path, name, unanswered="keep")
        for name, path in zip(names, args.tasks, strict=True)
    }
    corpus = read_corpus(args.corpus)
    retriever: BM25Retriever | DenseRetriever
    if args.embedder is None:
        retriever = bm25_index(corpus, args.index or output / "index.bm25")
    else:
        embedder = read_embedder(args.embedder)
        path = args.index or output / "index.dense"
        retriever = dense_index(corpus, embedder, path, index=args.faiss)
    for name, task in tasks.items():
        retrieved = write_retrieved(retriever, task, corpus, output / name, args.num_passages)
        print(f"{output / name}: {len(retrieved):,} questions, {args.num_passages} passages each")
    return 0


def read_embedder(folder: str) -> TextEmbedder:
    """Load an embedder from a folder as sentence-transformers keeps GTR, or from a preset."""
    from glimmer_keras.models import TextEmbedder

    if Path(folder, "modules.json").is_file():
        return TextEmbedder.from_gtr(folder)
    return TextEmbedder.from_preset(folder)
