"""The `glimmer` command. Its subcommands are modules with `add_arguments` and `run`."""

import argparse
import importlib
import logging
import os
import sys
from collections.abc import Sequence
from types import ModuleType

# Before TensorFlow is imported, here and in what a command starts.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

COMMANDS = {
    "ask": "answer a question from a folder of .txt and .md files, from nothing else",
    "corpus": "lay a corpus out on disk, so that passages are found without being held in memory",
    "encode": "turn a corpus into a memory store",
    "retrieve": "retrieve passages for the questions of tasks once, and keep them as arrays",
    "answer": "answer a question, a file of them, or those typed at a prompt",
    "evaluate": "score a file of predictions with KILT's metrics",
    "plan": "what memory of a corpus and answers from it will take, in hours and in bytes",
    "store": "look at a memory store, check it, add to it, delete from it",
    "export": "turn a preset into a SavedModel for TensorFlow Serving",
    "serve": "serve an exported model on this machine, to try it and for tests",
    "train": "train a reader as a file of settings says; the same command goes on with a run",
}
EXPECTED = (ValueError, TypeError, OSError, ImportError, FloatingPointError)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; errors that a user can mend are one line on stderr.

    Returns:
        The exit status: 0, 1 for an error, 130 if it was interrupted.
    """
    argv = sys.argv[1:] if argv is None else argv
    args = make_parser(argv[0] if argv else "").parse_args(argv)
    log = logging.getLogger("glimmer_keras")
    handler, level, propagate = _StderrHandler(), log.level, log.propagate
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False  # TensorFlow and Beam give the root logger handlers.
    try:
        return _module(args.command).run(args)
    except KeyboardInterrupt:
        print("glimmer: interrupted; the same command takes the work up again", file=sys.stderr)
        return 130
    except EXPECTED as error:
        print(f"glimmer: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    finally:
        log.removeHandler(handler)
        log.setLevel(level)
        log.propagate = propagate


def make_parser(command: str | None = None) -> argparse.ArgumentParser:
    """The parser of all commands, which knows the arguments of `command` alone if it is given."""
    parser = argparse.ArgumentParser(
        prog="glimmer",
        description="Readers with precomputed memory. KERAS_BACKEND picks the backend.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, text in COMMANDS.items():
        added = commands.add_parser(name, help=text, description=text)
        if command in (None, name):
            _module(name).add_arguments(added)
    return parser


def _module(command: str) -> ModuleType:
    return importlib.import_module(f"glimmer_keras.cli.{command}")


class _StderrHandler(logging.Handler):
    """Writes to `sys.stderr` as it is now: above a progress bar while there is one."""

    def emit(self, record: logging.LogRecord) -> None:
        print(f"glimmer: {self.format(record)}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
