from __future__ import annotations

import argparse

from glimmer_keras.cli.encode import add_corpus_arguments, corpus_file


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_corpus_arguments(parser)
    parser.add_argument(
        "folder", metavar="FOLDER", help="to make; other commands take it in place of CORPUS"
    )


def run(args: argparse.Namespace) -> int:
    from glimmer_keras.data import DiskCorpus

    corpus = DiskCorpus.write(args.folder, corpus_file(args))
    print(f"{corpus.path}: {len(corpus):,} passages")
    return 0
