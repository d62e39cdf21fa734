from __future__ import annotations

import argparse
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from glimmer_keras.cli.start_keras import start_keras

if TYPE_CHECKING:
    from glimmer_keras.models.planning import Reader

# Of T5.1.1; "tiny" is for tests.
SIZES = ("small", "base", "large", "xl", "xxl")
TERABYTE = 1e12


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("reader", nargs="?", default="base", help=f"a preset, or {', '.join(SIZES)} (base)")
    add("--passages", type=int, default=22_000_000, metavar="N", help="of the corpus (22,000,000)")
    add("--tokens", type=int, default=130, metavar="N", help="of a passage, on average (130)")
    add("--alpha", type=float, help="live_proportion (the reader's)")
    add("--beta", type=float, help="rerank_proportion (the reader's)")
    add("--k", type=int, default=25, help="retrieved passages (25)")
    add("--m", type=int, help="passages read by GLIMMER (the reader's, 5)")
    add("--question", type=int, default=48, metavar="N", help="tokens of a question (48)")
    add("--passage", type=int, default=304, metavar="N", help="tokens that are read of each (304)")
    add("--answer", type=int, default=16, metavar="N", help="tokens of an answer (16)")
    add("--json", action="store_true", help="as JSON")


def run(args: argparse.Namespace) -> int:
    plan = plan_of(args)
    if args.json:
        print(json.dumps(plan, indent=1))
    else:
        print_plan(plan)
    return 0


def plan_of(args: argparse.Namespace) -> dict[str, Any]:
    """Work out what a memory and answers cost."""
    for name in ("passages", "tokens", "k", "question", "passage", "answer"):
        if getattr(args, name) < 1:
            raise ValueError(f"`--{name}` must be at least 1. Received: {getattr(args, name)}")
    start_keras()
    from glimmer_keras.models.planning import MACHINES, STORE_DTYPES, TEXT_BYTES, machine_hours

    glimmer = _reader(args)
    lumen = replace(glimmer, num_selected=None)
    fid = replace(lumen, live_proportion=1.0, question_in_decoder=False)
    selected = glimmer.num_selected or args.k
    lengths = args.question, args.passage, args.answer
    systems = {
        f"GLIMMER {args.k} to {selected}": glimmer.answering(args.k, *lengths),
        f"LUMEN-{selected}": lumen.answering(selected, *lengths),
        f"LUMEN-{args.k}": lumen.answering(args.k, *lengths),
        f"FiD-{selected}": fid.answering(selected, *lengths),
        f"FiD-{args.k}": fid.answering(args.k, *lengths),
    }
    encoding = args.passages * glimmer.encoding(args.tokens)
    return {
        "reader": args.reader,
        "passages": args.passages,
        "tokens": args.tokens,
        "live_proportion": glimmer.live_proportion,
        "encoding_flop": 2 * encoding,
        "encoding": {
            name: {
                "hours": (hours := machine_hours(encoding, machine)),
                "dollars": hours * machine.dollars,
                "peak_flops": machine.flops,
                "share_of_peak": machine.share,
            }
            for name, machine in MACHINES.items()
        },
        "store_bytes": {
            dtype: args.passages * args.tokens * (glimmer.token_bytes(dtype) + TEXT_BYTES)
            for dtype in STORE_DTYPES
        },
        "read_bytes": {
            dtype: args.k * args.passage * glimmer.token_bytes(dtype) for dtype in STORE_DTYPES
        },
        "answering_flop": {name: 2 * macs for name, macs in systems.items()},
    }


def _reader(args: argparse.Namespace) -> Reader:
    from glimmer_keras.models.planning import Reader
    from glimmer_keras.models.sizes import size_arguments, system_arguments

    if args.reader in SIZES:
        settings = system_arguments("glimmer", size_arguments(args.reader))
    else:
        from glimmer_keras.models import Glimmer

        glimmer = Glimmer.from_preset(args.reader, load_weights=False)
        settings = glimmer.backbone.get_config()
    given = {"live_proportion": args.alpha, "rerank_proportion": args.beta, "num_selected": args.m}
    reader = Reader.of(settings | {name: v for name, v in given.items() if v is not None})
    for option, name in (("alpha", "live_proportion"), ("beta", "rerank_proportion")):
        value = getattr(reader, name)
        if not 0 <= value <= 1:
            raise ValueError(f"`--{option}` must be from 0 to 1. Received: {value}")
    if reader.num_selected is not None and not 1 <= reader.num_selected <= args.k:
        raise ValueError(f"`--m` must be from 1 to k={args.k}. Received: {reader.num_selected}")
    return reader


def print_plan(plan: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    console.print(
        f"{plan['reader']}: {plan['passages']:,} passages of {plan['tokens']} tokens, "
        f"{1 - plan['live_proportion']:.2f} of the encoder's layers, once: "
        f"{plan['encoding_flop'] / 1e18:,.2f} EFLOP"
    )
    table = Table("encoding on", "TFLOP/s", "of which", "hours", "dollars, about")
    for name, made in plan["encoding"].items():
        peak, share = f"{made['peak_flops'] / 1e12:g}", f"{made['share_of_peak']:.0%}"
        table.add_row(name, peak, share, f"{made['hours']:,.1f}", f"{made['dollars']:,.0f}")
    console.print(table)
    table = Table("store", "TB", "MB read for a question")
    for dtype, size in plan["store_bytes"].items():
        read = plan["read_bytes"][dtype]
        table.add_row(dtype, f"{size / TERABYTE:,.3f}", f"{read / 1e6:.1f}")
    console.print(table)
    dearest = max(plan["answering_flop"].values())
    table = Table("answering", "GFLOP a question", "of the dearest")
    for name, flop in plan["answering_flop"].items():
        table.add_row(name, f"{flop / 1e9:,.0f}", f"{flop / dearest:.2f}")
    console.print(table)
