from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from glimmer_keras.cli.arguments import CORPUS_HELP
from glimmer_keras.cli.start_keras import start_keras

if TYPE_CHECKING:
    from glimmer_keras.data import Corpus, PassageFile

TOKENS_PER_BATCH = 2048


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("preset", metavar="PRESET", help="folder or name of a Glimmer preset")
    add_corpus_arguments(parser)
    parser.add_argument("store", metavar="STORE", help="path or URL of the new store")
    add_dtype_arguments(parser)
    parser.add_argument(
        "--shard-size",
        type=int,
        default=1024,
        metavar="N",
        help="passages written together, the most that is lost if the command is killed (1024)",
    )
    add_batch_argument(parser)
    parser.add_argument(
        "--runner",
        nargs=argparse.REMAINDER,
        metavar="NAME",
        help="encode on Apache Beam: a runner, such as DirectRunner, and after it Beam's own "
        "options; comes last",
    )


def add_corpus_arguments(parser: argparse.ArgumentParser) -> None:
    """Add where the passages are, as `corpus_file` takes it."""
    from glimmer_keras.data.formats import formats

    parser.add_argument("corpus", metavar="CORPUS", help=CORPUS_HELP)
    parser.add_argument(
        "--format",
        choices=formats("corpus"),
        help="what a record of CORPUS is (told by the fields of the first one)",
    )
    parser.add_argument(
        "--knowledge-source",
        action="store_const",
        dest="format",
        const="knowledge_source",
        help="the same as --format knowledge_source",
    )
    parser.add_argument(
        "--max-words",
        type=int,
        default=200,
        metavar="N",
        help="greatest number of words in a passage that is cut from a page or a text (200)",
    )


def add_dtype_arguments(parser: argparse.ArgumentParser) -> None:
    """Add how memory is stored."""
    from glimmer_keras.memory.manifest import PRODUCT, RATIOS

    kinds = parser.add_mutually_exclusive_group()
    kinds.add_argument("--dtype", choices=["int8", "bfloat16", "float32"], default="int8")
    kinds.add_argument(
        "--compress",
        dest="dtype",
        choices=[f"{PRODUCT}{ratio}" for ratio in RATIOS],
        help="product quantisation: so many times less than bfloat16 takes (needs FAISS)",
    )


def add_batch_argument(parser: argparse.ArgumentParser) -> None:
    """Add how much goes through the model together."""
    parser.add_argument(
        "--tokens-per-batch",
        type=int,
        default=TOKENS_PER_BATCH,
        metavar="N",
        help=f"tokens that go through the model together ({TOKENS_PER_BATCH}); more for a GPU",
    )


def corpus_file(args: argparse.Namespace) -> PassageFile | Corpus:
    """Open the corpus that the arguments name."""
    from glimmer_keras.data import PassageFile, read_corpus
    from glimmer_keras.data.records import is_saved_dataset

    if Path(args.corpus).is_dir() and not is_saved_dataset(args.corpus):
        return read_corpus(args.corpus, max_words=args.max_words)
    file = PassageFile(args.corpus, args.format, args.max_words)
    next(iter(file))  # An absent or broken file is an error before a model is loaded.
    return file


def run(args: argparse.Namespace) -> int:
    corpus = corpus_file(args)
    start_keras()
    from glimmer_keras.data import PassageFile
    from glimmer_keras.models import Glimmer
    from glimmer_keras.pipelines import beam_encode_corpus, encode_corpus

    settings = (args.store, args.dtype, args.shard_size, args.tokens_per_batch)
    if args.runner is None:
        store = encode_corpus(Glimmer.from_preset(args.preset), corpus, *settings)
    else:
        if not args.runner:
            raise ValueError("`--runner` must be followed by the name of a Beam runner")
        if not isinstance(corpus, PassageFile):
            raise ValueError(f"`CORPUS` must be a file with `--runner`. Received: {args.corpus}")
        name, *rest = args.runner
        options = [f"--runner={name}", *rest]
        store = beam_encode_corpus(args.preset, corpus, *settings, options)
    print(f"{store.path}: {len(store):,} passages")
    return 0
