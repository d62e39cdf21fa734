from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import astuple
from pathlib import Path
from typing import TYPE_CHECKING

from glimmer_keras.cli.arguments import (
    CORPUS_HELP,
    QUESTIONS_HELP,
    add_min_confidence,
    add_question_length,
    add_retriever_arguments,
    add_where_argument,
    check_retriever,
    retriever_of,
    where_of,
)
from glimmer_keras.cli.start_keras import start_keras

if TYPE_CHECKING:
    from rich.table import Table

    from glimmer_keras.data import Corpus, Task
    from glimmer_keras.pipelines import Answer, RankedPassage


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("preset", metavar="PRESET", help="folder or name of a Glimmer preset")
    passages = parser.add_mutually_exclusive_group(required=True)
    passages.add_argument("--store", help="path or URL of the memory of the passages")
    passages.add_argument(
        "--corpus",
        help=f"{CORPUS_HELP}; they are encoded as they come",
    )
    add_retriever_arguments(parser)
    add_where_argument(parser)
    parser.add_argument(
        "--retrieved",
        metavar="FILE",
        help="passages for --input that others found: a run of TREC, KILT predictions, JSON of DPR "
        "or Pyserini, or a folder of glimmer retrieve",
    )
    parser.add_argument("--index", help="folder of the BM25 index (default: STORE.bm25)")
    parser.add_argument(
        "-k", "--num-passages", type=int, help="passages a question (default: the preset's, or 25)"
    )
    questions = parser.add_mutually_exclusive_group()
    questions.add_argument("--question", help="one question; without it a prompt waits for them")
    questions.add_argument("--input", help=QUESTIONS_HELP)
    add_question_length(parser)
    parser.add_argument("--ids", nargs="+", metavar="ID", help="passages to read for --question")
    parser.add_argument("--output", help="file of KILT predictions for --input")
    parser.add_argument("--batch-size", type=int, default=8, help="questions of --input at once")
    parser.add_argument("--cache-mb", type=int, default=256, help="memory kept once it was read")
    add_min_confidence(parser)
    parser.add_argument("--json", action="store_true", help="print answers as JSON lines")


def run(args: argparse.Namespace) -> int:
    if (args.input is None) != (args.output is None):
        raise ValueError("`--input` and `--output` must be given together. Received: one of them")
    if args.ids and args.question is None:
        raise ValueError("`--ids` must come with `--question`. Received: no question")
    if args.retrieved and args.input is None:
        raise ValueError("`--retrieved` must come with `--input`. Received: no file of questions")
    check_retriever(args)
    where = where_of(args)
    start_keras()
    from glimmer_keras.data import Corpus, Passage, read_corpus, read_task
    from glimmer_keras.memory import MemoryStore
    from glimmer_keras.models import Glimmer
    from glimmer_keras.pipelines import Reader, write_predictions

    task = read_task(args.input, "questions", unanswered="keep") if args.input else None
    store = MemoryStore.open(args.store, cache_bytes=args.cache_mb * 2**20) if args.store else None
    corpus = read_corpus(args.corpus) if args.corpus else None
    glimmer = Glimmer.from_preset(args.preset)
    passages = corpus if store is None else store
    index = None
    if passages is not None and not args.ids and not args.retrieved:
        index = retriever_of(args, passages, args.index, None)
    reader = Reader(
        glimmer,
        store,
        index,
        corpus=corpus,
        num_passages=args.num_passages,
        batch_size=args.batch_size,
        min_confidence=args.min_confidence,
        question_length=args.question_length,
    )
    if task:
        settings = {
            "preset": args.preset,
            "written": weights_time(args.preset),
            "num_passages": reader.num_passages,
            "min_confidence": args.min_confidence,
            "question_length": reader.question_length,
        }
        chosen_from = None
        if index is not None:
            settings |= {"passages": index.fingerprint, "retriever": dict(index.settings)}
        else:
            stored = [] if store is None else store.iter_passages()
            chosen_from = corpus or Corpus(Passage(*astuple(passage)) for passage in stored)
            task = with_retrieved(task, args.retrieved, chosen_from, reader.num_passages)
        write_predictions(reader, task, args.output, settings, corpus=chosen_from, where=where)
        print(f"{len(task)} answers in {args.output}", file=sys.stderr)
        return 0
    if args.question is not None:
        show(reader.answer(args.question, args.ids, where), args.json)
        return 0
    for question in typed_questions():
        try:
            start = time.perf_counter()
            answer = reader.answer(question, None, where)
            show(answer, args.json, f"{1000 * (time.perf_counter() - start):.0f} ms; ")
        except (ValueError, OSError) as error:
            print(f"glimmer: error: {' '.join(str(error).split())}", file=sys.stderr)
    return 0


def with_retrieved(task: Task, path: str, corpus: Corpus, num_passages: int) -> Task:
    """Give a task the passages that a file or a folder has for it."""
    from glimmer_keras.data import read_results, read_retrieved

    if Path(path).is_dir():
        return read_retrieved(path, task, corpus)
    return task.with_retrieved(read_results(path, None, task, corpus, num_passages))


def weights_time(preset: str) -> int | None:
    """Give the time when the weights in a folder were written, in nanoseconds."""
    weights = [
        file for form in ("*.weights.h5", "*.safetensors") for file in Path(preset).glob(form)
    ]
    return max((file.stat().st_mtime_ns for file in weights), default=None)


def typed_questions() -> Iterator[str]:
    """Read questions from the keyboard, or lines of a pipe; an empty one is the last."""
    if sys.stdin.isatty():
        import readline  # noqa: F401  gives `input` a history
    while True:
        try:
            question = input("question> " if sys.stdin.isatty() else "")
        except EOFError:
            return
        if not question.strip():
            return
        yield question


def show(answer: Answer, as_json: bool, time_taken: str = "") -> None:
    if as_json:
        print(json.dumps(answer.to_dict(), ensure_ascii=False), flush=True)
    else:
        from rich.console import Console

        Console().print(answer_table(answer, f"{time_taken}* was read"))


def marked(passage: RankedPassage) -> str:
    """Give a passage in rich's markup, the sentence with the answer in bold."""
    from rich.markup import escape

    before, sentence, after = passage.content.partition(passage.sentence or passage.content)
    if not passage.sentence:
        return escape(sentence)
    return f"{escape(before)}[bold]{escape(sentence)}[/bold]{escape(after)}"


def answer_table(answer: Answer, caption: str) -> Table:
    """Make a table of the answer and its passages with their scores; those read are marked."""
    from rich.markup import escape
    from rich.table import Table

    sure = "" if answer.confidence is None else f" ({100 * answer.confidence:.0f} % sure)"
    table = Table(
        title=f"{escape(answer.question)}\n[bold]{escape(answer.text)}[/bold]{sure}",
        caption=caption,
        title_justify="left",
    )
    for name in ("", "score", "rank", "retrieval"):
        table.add_column(name, justify="right")
    table.add_column("id")
    table.add_column("passage", ratio=1)
    for passage in answer.passages:
        relevance, retrieval = (
            "" if score is None else f"{score:.2f}"
            for score in (passage.score, passage.retrieval_score)
        )
        table.add_row(
            "*" if passage.selected else "",
            relevance,
            str(passage.retrieval_rank),
            retrieval,
            escape(passage.id),
            marked(passage),
        )
    return table
