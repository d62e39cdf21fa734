"""Options that several benchmarks have."""

import argparse


def add_arguments(parser: argparse.ArgumentParser, batch: list[int]) -> None:
    """Add what every benchmark of FiD, LUMEN and GLIMMER asks."""
    parser.add_argument("--size", type=names, default=["small"])
    parser.add_argument("--k", type=int, default=25, help="retrieved passages")
    parser.add_argument("--m", type=int, default=5, help="passages that GLIMMER selects")
    parser.add_argument("--question-length", type=int, default=48)
    parser.add_argument("--passage-length", type=int, default=352, help="with the question")
    parser.add_argument("--answer-length", type=int, default=16)
    parser.add_argument("--batch", type=numbers, default=batch)
    add_timing_arguments(parser)


def add_timing_arguments(parser: argparse.ArgumentParser) -> None:
    """Add rounds, precision, and where the report goes."""
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--dtype", choices=["float32", "mixed_bfloat16"], default="float32")
    parser.add_argument("--output", metavar="DIR")


def add_jit_argument(parser: argparse.ArgumentParser, what: str = "XLA, on TensorFlow") -> None:
    """Add which of the ways of `timing.jit_choices` to take."""
    parser.add_argument("--jit", choices=["on", "off", "best"], default="best", help=what)


def names(text: str) -> list[str]:
    """Read an option's `small,base`."""
    return text.split(",")


def numbers(text: str) -> list[int]:
    """Read an option's `1,4`."""
    return [int(number) for number in text.split(",")]


def read_arguments(
    parser: argparse.ArgumentParser, arguments: list[str] | None
) -> argparse.Namespace:
    """Parse, and check the lengths."""
    options = parser.parse_args(arguments)
    if not 1 <= options.question_length < options.passage_length:
        parser.error("--question-length must be from 1 to under --passage-length")
    return options
