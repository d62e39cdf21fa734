from __future__ import annotations

import argparse

from glimmer_keras.cli.answer import show, typed_questions
from glimmer_keras.cli.arguments import add_min_confidence, add_question_length, positive
from glimmer_keras.cli.start_keras import start_keras

PRESET = "wikipedia_small"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", metavar="FOLDER", help="of .txt and .md files")
    parser.add_argument(
        "question", metavar="QUESTION", nargs="?", help="without it a prompt waits for them"
    )
    parser.add_argument("--preset", default=PRESET, help="folder or name of a Glimmer preset")
    parser.add_argument(
        "-k", "--num-passages", type=positive, default=8, help="passages a question"
    )
    add_question_length(parser)
    add_min_confidence(parser)
    parser.add_argument("--json", action="store_true", help="print answers as JSON lines")


def run(args: argparse.Namespace) -> int:
    start_keras()
    from glimmer_keras.data import read_texts
    from glimmer_keras.models import Glimmer
    from glimmer_keras.pipelines import Reader, bm25_index

    corpus = read_texts(args.folder)
    glimmer = Glimmer.from_preset(args.preset)
    most = max(len(corpus), glimmer.backbone.num_selected or 1)
    reader = Reader(
        glimmer,
        retriever=bm25_index(corpus),
        corpus=corpus,
        num_passages=min(args.num_passages, most),
        min_confidence=args.min_confidence,
        question_length=args.question_length,
    )
    for question in typed_questions() if args.question is None else [args.question]:
        show(reader.answer(question), args.json)
    return 0
