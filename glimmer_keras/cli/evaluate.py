from __future__ import annotations

import argparse
import json

from glimmer_keras.cli.start_keras import start_keras
from glimmer_keras.metrics.kilt import KS, PAGE


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("gold", metavar="GOLD", help="KILT file with answers and provenance")
    parser.add_argument(
        "predictions", metavar="PREDICTIONS", help="KILT predictions, as glimmer answer makes them"
    )
    shown = ",".join(map(str, KS))
    parser.add_argument(
        "-k", "--k", type=numbers, default=KS, metavar="K,...", help=f"places to look at ({shown})"
    )
    parser.add_argument(
        "--rank-keys",
        type=lambda text: tuple(text.split(",")),
        default=PAGE,
        metavar="KEY,...",
        help="fields of a provenance that tell what is ranked, as passage_id, or "
        f"wikipedia_id,start_paragraph_id ({PAGE[0]})",
    )
    parser.add_argument(
        "--any-order", action="store_true", help="predictions need not be in the gold file's order"
    )
    parser.add_argument(
        "--retrieval-only", action="store_true", help="predictions may come without answers"
    )
    parser.add_argument("--answers-only", action="store_true", help="score answers alone")
    parser.add_argument("--json", action="store_true", help="print all digits as JSON")


def run(args: argparse.Namespace) -> int:
    start_keras()
    from rich.console import Console

    from glimmer_keras.evaluation import kilt_table, score_predictions

    scores = score_predictions(
        args.gold,
        args.predictions,
        args.k,
        args.rank_keys,
        any_order=args.any_order,
        retrieval_only=args.retrieval_only,
        answers_only=args.answers_only,
    )
    if args.json:
        print(json.dumps(scores, indent=1))
    else:
        Console().print(kilt_table(scores))
    return 0


def numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))
