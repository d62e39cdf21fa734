import argparse

HELP = "look at a memory store, check it, add to it, delete from it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("store", metavar="STORE", help="path or URL of the store")


def run(args: argparse.Namespace) -> int:
    raise ValueError("not there yet")
