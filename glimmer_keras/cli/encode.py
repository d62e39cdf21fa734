import argparse

HELP = "turn a corpus into a memory store"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("preset", metavar="PRESET", help="folder or name of a Glimmer preset")
    parser.add_argument("corpus", metavar="CORPUS", help="passages as JSON lines, plain or .gz")
    parser.add_argument("store", metavar="STORE", help="path or URL of the new store")


def run(args: argparse.Namespace) -> int:
    raise ValueError("not there yet")
