"""What `glimmer serve` can be told."""

import argparse
from pathlib import Path


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="glimmer serve", description="A stand-in for TensorFlow Serving."
    )
    add_arguments(parser)
    return parser


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "directory", metavar="DIR", type=Path, help="whose newest version is served"
    )
    parser.add_argument("--name", help="of the model, by default that of DIR")
    parser.add_argument("--host", default="127.0.0.1", help="to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8500, help="of gRPC (default: %(default)s)")
    parser.add_argument("--rest-port", type=int, default=8501, help="default: %(default)s")
    parser.add_argument("--page", action="store_true", help="also show a page to ask questions on")
    for flag, default, what in (
        ("--max-batch", 64, "rows of a request"),
        ("--max-message-mb", 128, "MiB of a request"),
        ("--max-requests", 16, "requests at once"),
    ):
        parser.add_argument(
            flag, type=positive, default=default, metavar="N", help=f"most {what} (%(default)s)"
        )


def positive(text: str) -> int:
    """An integer of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be an integer of at least 1. Received: {text}")
    return int(text)
