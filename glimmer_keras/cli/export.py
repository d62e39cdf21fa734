import argparse
import os

from glimmer_keras.cli.arguments import add_question_length, positive
from glimmer_keras.cli.start_keras import start_keras


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("preset", metavar="PRESET", help="folder or name of a Glimmer preset")
    parser.add_argument("directory", metavar="DIR", help="where the versions of the model are")
    parser.add_argument("--version", type=positive, metavar="N", help="by default the next one")
    parser.add_argument("--memory", metavar="STORE", help="store that becomes a table in it")
    parser.add_argument(
        "--beam", type=positive, metavar="N", help="search with N beams, not greedily"
    )
    parser.add_argument("--passages", type=positive, metavar="K", help="passages of a question")
    add_question_length(parser)
    parser.add_argument(
        "--memory-dtype", choices=("float32", "bfloat16"), help="of memory that is not int8"
    )
    parser.add_argument(
        "--text", action="store_true", help="also write DIR-text, which takes and gives strings"
    )
    parser.add_argument("--force", action="store_true", help="write a table of any size")


def run(args: argparse.Namespace) -> int:
    start_keras()
    import keras

    from glimmer_keras.memory import MemoryStore
    from glimmer_keras.models import Glimmer
    from glimmer_keras.serving import export
    from glimmer_keras.serving.other_backend import export_preset
    from glimmer_keras.serving.version_directory import text_version_path, version_path

    version = () if args.version is None else (str(args.version),)
    path = version_path(os.path.join(args.directory, *version))
    if args.text:
        text_version_path(path)  # refused before a model is loaded
    options = {
        "beam_size": args.beam,
        "num_passages": args.passages,
        "memory_dtype": args.memory_dtype,
        "text": args.text,
        "force": args.force,
    }
    if args.question_length is not None:
        options["question_length"] = args.question_length
    store = None if args.memory is None else MemoryStore.open(args.memory)
    if keras.backend.backend() == "tensorflow":
        print(export(Glimmer.from_preset(args.preset), path, store, **options))
    else:
        print(export_preset(args.preset, path, args.memory, options))
    return 0
