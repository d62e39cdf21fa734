from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from glimmer_keras.data import Corpus
    from glimmer_keras.memory import MemoryStore
    from glimmer_keras.models import TextEmbedder

CORPUS_HELP = (
    "passages: a file of any format that `glimmer_keras.data.PassageFile` lists, or a folder of "
    "glimmer corpus or of .txt and .md files"
)
QUESTIONS_HELP = "questions: a file of any format that `glimmer_keras.data.read_task` lists"


def add_retriever_arguments(parser: argparse.ArgumentParser) -> None:
    """Add how passages are found, as `retriever_of` takes it."""
    parser.add_argument(
        "--bm25", action="store_true", help="BM25, the default; with --embedder both are fused"
    )
    parser.add_argument(
        "--embedder",
        metavar="FOLDER",
        help="dense retrieval: a preset, or a folder as sentence-transformers keeps an encoder",
    )
    parser.add_argument(
        "--faiss",
        metavar="INDEX",
        default="exact",
        help="search of vectors, approximate: an index of FAISS such as HNSW32 (exact)",
    )


def add_question_length(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--question-length",
        type=positive,
        help="tokens to which questions are cut (default: the preset's)",
    )


def add_min_confidence(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--min-confidence", type=share, default=0.0, help="answers with less are left empty (0)"
    )


def add_where_argument(parser: argparse.ArgumentParser) -> None:
    """Add which passages may be read, as `where_of` takes it."""
    parser.add_argument(
        "--where",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="read passages of this field alone; several of one field are alternatives",
    )


def where_of(args: argparse.Namespace) -> dict[str, list[str]] | None:
    """Give the filter of `--where`, `None` without any."""
    where: dict[str, list[str]] = {}
    for given in args.where:
        name, equals, value = given.partition("=")
        if not name or not equals:
            raise ValueError(f"`--where` must be FIELD=VALUE. Received: {given!r}")
        where.setdefault(name, []).append(value)
    return where or None


def check_retriever(args: argparse.Namespace) -> None:
    if args.embedder is None and args.faiss != "exact":
        raise ValueError(
            "`--faiss` must go with `--embedder`, whose vectors it searches. "
            f"Received: --faiss {args.faiss}"
        )


def retriever_of(
    args: argparse.Namespace, passages: Corpus | MemoryStore, bm25: Any, dense: Any
) -> Any:
    """Make the retriever that the arguments ask for.

    Args:
        args: With `bm25`, `embedder` and `faiss`.
        passages: What is searched.
        bm25, dense: Where its index and its vectors are kept; `None` for the default.
    """
    from glimmer_keras.pipelines import bm25_index, dense_index
    from glimmer_keras.retrieval import FusedRetriever

    found: list[Any] = []
    if args.bm25 or args.embedder is None:
        found.append(bm25_index(passages, bm25))
    if args.embedder is not None:
        embedder = read_embedder(args.embedder)
        found.append(dense_index(passages, embedder, dense, index=args.faiss))
    return found[0] if len(found) == 1 else FusedRetriever(found)


def read_embedder(folder: str) -> TextEmbedder:
    """Load an embedder from a folder as sentence-transformers keeps one, or from a preset."""
    from glimmer_keras.models import TextEmbedder

    if Path(folder, "modules.json").is_file():
        return TextEmbedder.from_hugging_face(folder)
    return TextEmbedder.from_preset(folder)


def positive(text: str) -> int:
    """Read an integer of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be an integer of at least 1. Received: {text}")
    return int(text)


def share(text: str) -> float:
    """Read a number from 0 to 1."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"must be from 0 to 1. Received: {text}")
    return number


def port(text: str) -> int:
    """Read the number of a port; 0 is one that the system picks."""
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"must be from 0 to 65535. Received: {text}")
    return int(text)
