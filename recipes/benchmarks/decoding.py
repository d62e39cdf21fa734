"""KERAS_BACKEND=jax python -m recipes.benchmarks.decoding --size base --batch 1,16 --output bench

Tokens a second of greedy decoding from `--passages` encoded passages at hand, all tokens of
`--answer-length` generated. Three compiled functions: cross-attention keys and values (`memory`),
one token from them, and all tokens. A token's time is the slope, (all - one) / (tokens - 1), with
its share of everything that a loop does. All calls are timed in turn, round by round.

The floor is what one token of a batch takes at this machine's limits, measured in the same rounds:
reading the decoder's weights, the head's among them, once and all cross-attention keys and values,
or the products of matrices, whichever takes longer. A peer's floor is that of ours.

Peers, timed in the same rounds: KerasHub's `T5Seq2SeqLM.generate_step` on the same backend and
weights, compiled as ours is, with encoded states handed to it in place of token ids; and with
`--peer hf` the `generate` of Hugging Face's T5 in a child process. Both compute keys and values
with the first token, so that theirs are in `first` and not in a token's time; KerasHub also runs
the whole empty answer through the decoder beforehand, which the slope spreads over its tokens.

The decoder is the same in FiD, LUMEN and GLIMMER. `--variant NAME=VALUE[,NAME=VALUE]` adds one
with other settings of `GlimmerBackbone`, with a floor of its own. Prints tables and writes
DIR/decoding-BACKEND.json. Weights and encoded states are random. At batch 16 of base each system
has 2 GB of keys and values: JAX takes some 12 GB, TensorFlow with KerasHub's model over 20, so
that it wants `--alone`.
"""

import argparse
import inspect
import statistics
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.table import Column, Table

from glimmer_keras import Glimmer, GlimmerBackbone
from recipes.benchmarks.hugging_face.peer import add_peer_arguments, start_peer
from recipes.benchmarks.limits import Limits, print_limits, token_floor
from recipes.benchmarks.options import add_jit_argument, add_timing_arguments, names, numbers
from recipes.benchmarks.parts.decoding import compile_parts
from recipes.benchmarks.parts.keras_hub_fid import keras_hub_fid
from recipes.benchmarks.report import run_cases
from recipes.benchmarks.timing import interleaved, ratio, spread

PARTS = ("token", "first", "memory")


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    return run_cases("decoding", parse(arguments), build, measure, print_case)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[2])
    parser.add_argument("--size", type=names, default=["base"])
    parser.add_argument("--batch", type=numbers, default=[1, 16])
    parser.add_argument("--passages", type=int, default=5, help="that the decoder reads")
    parser.add_argument("--passage-length", type=int, default=352, help="with the question")
    parser.add_argument("--answer-length", type=int, default=16)
    parser.add_argument("--variant", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--alone", action="store_true", help="leave KerasHub's model out")
    add_timing_arguments(parser)
    add_jit_argument(parser)
    add_peer_arguments(parser)
    options = parser.parse_args(arguments)
    if options.answer_length < 2:
        parser.error("--answer-length must be 2 or more, as a slope is measured")
    for variant in options.variant:
        try:
            unknown = settings_of(variant).keys() - inspect.signature(GlimmerBackbone).parameters
        except ValueError:
            parser.error(f"--variant must be NAME=INTEGER[,NAME=INTEGER]. Received: {variant}")
        if unknown:
            parser.error(f"--variant must name settings of GlimmerBackbone. Received: {variant}")
    return options


def settings_of(variant: str) -> dict[str, int]:
    pairs = (part.split("=") for part in variant.split(","))
    return {name: int(value) for name, value in pairs}


def build(size: str, options: argparse.Namespace) -> dict[str, Any]:
    """Build ours, its variants, and KerasHub's with the weights of ours if it is asked."""
    systems: dict[str, Any] = {}
    for name in ("", *options.variant):
        settings = settings_of(name) if name else {}
        systems[name or "ours"] = Glimmer.from_size(size, "fid", dtype=options.dtype, **settings)
    for system in systems.values():
        system.compile(sampler="greedy")
    return systems | ({} if options.alone else {"keras_hub": keras_hub_fid(systems["ours"])})


def measure(
    systems: dict[str, Any], size: str, batch: int, options: argparse.Namespace
) -> dict[str, Any]:
    """Compile and time all systems at one size and batch."""
    backbone, positions = systems["ours"].backbone, options.passages * options.passage_length
    calls: dict[Any, Callable] = {}
    measured: dict[str, dict[str, Any]] = {}
    answers, peer_rounds = {}, []
    with start_peer(
        "decoding", size, peer_settings(batch, positions, options), options
    ) as ask_peer:
        for name, system in systems.items():
            parts, jit, answers[name] = compile_parts(system, batch, options)
            calls |= {(name, part): call for part, call in parts.items()}
            measured[name] = {"jit": jit}
        if ask_peer:
            calls["hf"] = lambda: peer_rounds.append(ask_peer())
            measured["hf"] = {"jit": "eager", **ask_peer.ready}
        limits = Limits(backbone, positions, options.jit)
        times = interleaved(calls, options.repeats, limits.measure)
    for part in ("first", "whole"):
        times["hf", part] = [taken[part] for taken in peer_rounds]
    for name, system in measured.items():
        reader = systems.get(name)
        read = reader.backbone if isinstance(reader, Glimmer) else backbone
        system["floor"] = token_floor(read, positions, batch, options.answer_length, *limits.speeds)
        system |= seconds_of(times, name, batch, options.answer_length)
        system["over_floor"] = system["seconds"]["token"]["median"] / system["floor"]["seconds"]
    ours = slopes(times, "ours", options.answer_length)
    for name in measured.keys() - {"ours"}:
        measured[name]["ours_faster"] = ratio(slopes(times, name, options.answer_length), ours, {})
    if "keras_hub" in measured:
        measured["keras_hub"]["same_tokens"] = answers["keras_hub"] == answers["ours"]
    case = {"size": size, "batch": batch, "positions": positions, "systems": measured}
    return case | limits.report()


def peer_settings(batch: int, positions: int, options: argparse.Namespace) -> dict[str, Any]:
    return {
        "batch": batch,
        "positions": positions,
        "answer_length": options.answer_length,
        "dtype": options.dtype.removeprefix("mixed_"),
    }


def slopes(times: dict, name: str, tokens: int) -> list[float]:
    """Give the seconds of one further token, in each round."""
    rounds = zip(times[name, "first"], times[name, "whole"], strict=True)
    return [(whole - first) / (tokens - 1) for first, whole in rounds]


def seconds_of(times: dict, name: str, batch: int, tokens: int) -> dict[str, Any]:
    """Give seconds of a batch: `memory`, `first` token with it, `token` further; tokens a second.

    The peers' keys and values are in the call for one token; to that of ours they are added.
    """
    token, first = slopes(times, name, tokens), times[name, "first"]
    measured = {"token": spread(token), "first": spread(first)}
    if memory := times.get((name, "memory")):
        measured["memory"] = spread(memory)
        measured["first"] = spread([sum(both) for both in zip(memory, first, strict=True)])
    return {"seconds": measured, "tokens_per_second": batch / statistics.median(token)}


def print_case(console: Console, case: dict[str, Any], options: argparse.Namespace) -> None:
    title = (
        f"{case['size']}, batch {case['batch']}, {case['positions']:,} positions, "
        f"{options.answer_length} tokens: milliseconds of a batch (median)"
    )
    columns = (
        Column("system", overflow="fold"),
        "tokens a second",
        "token",
        "first token",
        "keys and values",
    )
    table = Table(*columns, "times the floor", "ours faster", "jit", title=title)
    for name, system in case["systems"].items():
        seconds = system["seconds"]
        parts = [seconds[part]["median"] if part in seconds else None for part in PARTS]
        cells = ["-" if part is None else f"{1000 * part:.1f}" for part in parts]
        faster = system.get("ours_faster")
        cells += [f"{system['over_floor']:.2f}", f"{faster['measured']:.2f}" if faster else "-"]
        table.add_row(name, f"{system['tokens_per_second']:.1f}", *cells, system["jit"])
    console.print(table)
    if not case["systems"].get("keras_hub", {}).get("same_tokens", True):
        console.print("KerasHub's tokens are not those of ours")
    floor = case["systems"]["ours"]["floor"]
    console.print(
        f"The floor of a token is {1000 * floor['seconds']:.1f} ms: reading "
        f"{1e-6 * floor['bytes']:,.0f} MB takes {1000 * floor['reading']:.1f}, "
        f"{1e-9 * floor['macs']:.2f} G multiply-accumulates {1000 * floor['products']:.1f}"
    )
    print_limits(console, case)


if __name__ == "__main__":
    main()
