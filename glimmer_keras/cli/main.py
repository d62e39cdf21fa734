"""The `glimmer` command. Its subcommands are modules with `HELP`, `add_arguments` and `run`."""

import argparse
import logging
import sys
from collections.abc import Sequence

from glimmer_keras.cli import (
    answer,
    corpus,
    encode,
    evaluate,
    export,
    retrieve,
    serve,
    store,
    train,
)

COMMANDS = {
    "corpus": corpus,
    "encode": encode,
    "retrieve": retrieve,
    "answer": answer,
    "evaluate": evaluate,
    "store": store,
    "export": export,
    "serve": serve,
    "train": train,
}
EXPECTED = (ValueError, TypeError, OSError, ImportError, FloatingPointError)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; errors that a user can mend are one line on stderr.

    Returns:
        The exit status: 0, 1 for an error, 130 if it was interrupted.
    """
    args = make_parser().parse_args(argv)
    log = logging.getLogger("glimmer_keras")
    handler, level, propagate = _StderrHandler(), log.level, log.propagate
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False  # TensorFlow and Beam give the root logger handlers.
    try:
        return COMMANDS[args.command].run(args)
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


def make_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="glimmer",
        description="Readers with precomputed memory. KERAS_BACKEND picks the backend.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        added = commands.add_parser(name, help=command.HELP, description=command.HELP)
        command.add_arguments(added)
    return parser


class _StderrHandler(logging.Handler):
    """Writes to `sys.stderr` as it is now: above a progress bar while there is one."""

    def emit(self, record: logging.LogRecord) -> None:
        print(f"glimmer: {self.format(record)}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
