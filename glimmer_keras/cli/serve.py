import argparse
import logging
from pathlib import Path

from glimmer_keras.cli.arguments import port, positive
from glimmer_keras.cli.start_keras import start_keras

logger = logging.getLogger("glimmer_keras")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Serve an exported model on this machine: TensorFlow Serving's REST paths, and a page."
    )
    parser.add_argument(
        "directory", metavar="DIR", type=Path, help="whose newest version is served"
    )
    parser.add_argument("--name", help="of the model, by default that of DIR")
    parser.add_argument("--host", default="127.0.0.1", help="to listen on (default: %(default)s)")
    parser.add_argument(
        "--port", type=port, default=8501, metavar="N", help="of REST (default: %(default)s)"
    )
    parser.add_argument(
        "--rest-port",
        type=port,
        metavar="N",
        help="old name of --port, taken for one release (where both are given, this one counts)",
    )
    parser.add_argument("--page", action="store_true", help="also show a page to ask questions on")
    for flag, default, what in (
        ("--max-batch", 64, "rows of a request"),
        ("--max-message-mb", 128, "MiB of a request"),
        ("--max-requests", 16, "requests at once"),
    ):
        parser.add_argument(
            flag, type=positive, default=default, metavar="N", help=f"most {what} (%(default)s)"
        )


def run(args: argparse.Namespace) -> int:
    start_keras()
    from glimmer_keras.serving.extra import check_extra

    check_extra()
    from glimmer_keras.serving.server.serve import serve

    if args.rest_port is not None:
        logger.warning("DeprecationWarning: `--rest-port` is `--port` now, and goes next release")
    serve(
        args.directory,
        args.name,
        args.host,
        args.port if args.rest_port is None else args.rest_port,
        page=args.page,
        max_batch=args.max_batch,
        max_message_bytes=args.max_message_mb * 2**20,
        max_requests=args.max_requests,
    )
    return 0
