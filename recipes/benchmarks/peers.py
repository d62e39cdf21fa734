"""KERAS_BACKEND=jax python -m recipes.benchmarks.peers --size base --peer hf --output bench

Seconds to the first token of an answer and to longer answers: GLIMMER from passage memory against
Fusion-in-Decoder over all `--k` passages and over `--m`, from token ids, on our layers, on
KerasHub's T5 with the weights of ours and the same backend, and with `--peer hf` on Hugging Face's
T5 in a child process of this one.

Each system is timed in parts, all in turn, round by round: `encode` gives the states that the
decoder reads, and for each of `--answers` a call computes cross-attention keys and values and so
many greedy tokens. An answer takes the sum of both in a round. Beside ours stand the times of a
program at this machine's limits, its matrix product's speed and its memory's.

Prints a table and writes DIR/peers-BACKEND.json. Weights, memory and token ids are random, no input
is padded. Expect ten minutes for base on two cores, and 10 GB.
"""

import argparse
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.table import Table

from glimmer_keras import Glimmer
from glimmer_keras.models.matrix_work import answering_work, decoder_positions
from recipes.benchmarks.hugging_face.peer import add_peer_arguments, start_peer
from recipes.benchmarks.limits import Limits, decoding_seconds, print_limits
from recipes.benchmarks.options import (
    add_jit_argument,
    add_timing_arguments,
    names,
    numbers,
    read_arguments,
)
from recipes.benchmarks.parts.answering import make_inputs, prompt
from recipes.benchmarks.parts.keras_hub_fid import KerasHubFiD, keras_hub_fid, keras_hub_parts
from recipes.benchmarks.report import run_cases
from recipes.benchmarks.timing import Times, fastest, interleaved, ratio, spread

# Of what `GlimmerBackbone.read` gives, what training alone needs.
UNREAD = ("live_states", "live_padding_mask", "passage_ranking")


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    return run_cases("peers", parse(arguments), build, measure, print_case)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[2])
    parser.add_argument("--size", type=names, default=["base"])
    parser.add_argument("--batch", type=numbers, default=[1])
    parser.add_argument("--k", type=int, default=25, help="retrieved passages")
    parser.add_argument("--m", type=int, default=5, help="passages that GLIMMER selects")
    parser.add_argument("--question-length", type=int, default=48)
    parser.add_argument("--passage-length", type=int, default=352, help="with the question")
    parser.add_argument("--answers", type=numbers, default=[1, 4, 16], help="their tokens")
    add_timing_arguments(parser)
    add_jit_argument(parser)
    add_peer_arguments(parser)
    options = read_arguments(parser, arguments)
    if not 1 <= options.m <= options.k:
        parser.error("--m must be from 1 to --k")
    return options


def build(size: str, options: argparse.Namespace) -> dict[str, Any]:
    """Build ours and KerasHub's, by name with the passages that they read."""
    fid = Glimmer.from_size(size, "fid", dtype=options.dtype)
    glimmer = Glimmer.from_size(size, dtype=options.dtype, num_selected=options.m)
    for reader in (fid, glimmer):
        reader.compile(sampler="greedy")
    peer, read = keras_hub_fid(fid), dict.fromkeys((options.k, options.m))
    return {
        f"glimmer {options.k}->{options.m}": (glimmer, options.k),
        **{f"fid {k}": (fid, k) for k in read},
        **{f"keras_hub fid {k}": (peer, k) for k in read},
    }


def measure(
    systems: dict[str, Any], size: str, batch: int, options: argparse.Namespace
) -> dict[str, Any]:
    """Compile and time all systems at one size and batch."""
    calls: dict[Any, Callable] = {}
    measured: dict[str, dict[str, Any]] = {}
    peer_rounds: list[dict[str, dict[str, float]]] = []
    tokens = options.k * options.passage_length
    with start_peer("fid", size, peer_settings(batch, options), options) as ask_peer:
        for name, (reader, passages) in systems.items():
            compile_parts = keras_hub_parts if isinstance(reader, KerasHubFiD) else our_parts
            parts, jit = compile_parts(reader, batch, passages, options)
            calls |= {(name, part): call for part, call in parts.items()}
            measured[name] = {"jit": jit}
        if ask_peer:
            calls["hf"] = lambda: peer_rounds.append(ask_peer())
        limits = Limits(systems[f"fid {options.k}"][0].backbone, tokens, options.jit)
        times = interleaved(calls, options.repeats, limits.measure)
        for name in peer_rounds[0] if ask_peer else ():
            measured[name] = {"jit": "eager", **ask_peer.ready}
            for part in ("encode", *options.answers):
                times[name, part] = [taken[name][str(part)] for taken in peer_rounds]
    first, *others = measured
    for name, system in measured.items():
        system["encode"] = spread([taken / batch for taken in times[name, "encode"]])
        system["answers"] = {n: spread(seconds(times, name, n, batch)) for n in options.answers}
        if name in systems and not isinstance(systems[name][0], KerasHubFiD):
            system["limits"] = least_seconds(*systems[name], batch, options, *limits.speeds)
    for name in others:
        measured[name]["glimmer_faster"] = {
            n: ratio(seconds(times, name, n, batch), seconds(times, first, n, batch), {})
            for n in options.answers
        }
    return {"size": size, "batch": batch, "systems": measured, **limits.report()}


def peer_settings(batch: int, options: argparse.Namespace) -> dict[str, Any]:
    return {
        "batch": batch,
        "passages": list(dict.fromkeys((options.k, options.m))),
        "passage_length": options.passage_length,
        "answers": options.answers,
    }


def our_parts(
    reader: Glimmer, batch: int, passages: int, options: argparse.Namespace
) -> tuple[dict[Any, Callable], dict[Any, str]]:
    """Compile encoding and answers by their tokens; give calls, and how each was compiled."""
    backbone, calls, jit = reader.backbone, {}, {}
    settings = {**vars(options), "k": passages, "answer_length": 1}
    inputs = make_inputs(reader, batch, argparse.Namespace(**settings))

    def read(inputs):
        return {name: x for name, x in backbone.read(inputs).items() if name not in UNREAD}

    def answer(inputs, encoded):
        return reader.answer_from(inputs, encoded)["decoder_token_ids"]

    calls["encode"], encoded, jit["encode"] = fastest(read, reader, (inputs,), options.jit)
    for tokens in options.answers:
        asked = (inputs | prompt(batch, tokens), encoded)
        calls[tokens], _, jit[tokens] = fastest(answer, reader, asked, options.jit)
    return calls, jit


def seconds(times: Times, name: str, tokens: int, batch: int) -> list[float]:
    """Give the seconds of a question's answer of so many tokens, in each round."""
    rounds = zip(times[name, "encode"], times[name, tokens], strict=True)
    return [(encode + decode) / batch for encode, decode in rounds]


def least_seconds(
    reader: Glimmer,
    passages: int,
    batch: int,
    options: argparse.Namespace,
    macs_per_second: float,
    bytes_per_second: float,
) -> dict[Any, float]:
    """Give the least seconds of a question's `encode`, and of its answers by their tokens."""
    backbone, question = reader.backbone, options.question_length
    lengths = (passages, question, options.passage_length - question)
    parts = answering_work(backbone, *lengths, answer=1)
    work = sum(part.total for name, part in parts.items() if name != "decode")
    encode = work / macs_per_second
    positions = decoder_positions(backbone, *lengths)
    speeds = (batch, macs_per_second, bytes_per_second)
    return {
        "encode": encode,
        **{n: encode + decoding_seconds(backbone, positions, n, *speeds) for n in options.answers},
    }


def print_case(console: Console, case: dict[str, Any], options: argparse.Namespace) -> None:
    title = f"{case['size']}, batch {case['batch']}: milliseconds a question (median)"
    answers = [f"{n} token{'s' * (n > 1)}" for n in options.answers]
    columns = ("encode", "times its limit", *answers, "times GLIMMER's", "times its limit")
    table = Table("system", *columns, title=title)
    for name, system in case["systems"].items():
        limit, times = system.get("limits", {}), {"encode": system["encode"], **system["answers"]}
        medians = {part: taken["median"] for part, taken in times.items()}
        over = {part: f"{medians[part] / least:.2f}" for part, least in limit.items()}
        faster = [f"{row['measured']:.2f}" for row in system.get("glimmer_faster", {}).values()]
        encode, *whole = (f"{1000 * median:.0f}" for median in medians.values())
        cells = [over.pop("encode", "-"), *whole, " / ".join(faster), " / ".join(over.values())]
        table.add_row(name, encode, *(cell or "-" for cell in cells))
    console.print(table)
    print_limits(console, case)


if __name__ == "__main__":
    main()
