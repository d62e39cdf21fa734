"""KERAS_BACKEND=jax python recipes/benchmark_peers.py --size base --peer hf --output bench

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
import statistics
from collections.abc import Callable
from typing import Any

import numpy as np
from _answering_parts import make_inputs, prompt
from _benchmark import (
    Peak,
    ReadSpeed,
    Times,
    add_jit_argument,
    fastest,
    interleaved,
    numbers,
    print_limits,
    ratio,
    read_arguments,
    run_cases,
    spread,
)
from _keras_hub_fid import KerasHubFiD, keras_hub_fid
from _matrix_work import answering_work, decoder_positions, decoding_seconds
from _peer import add_peer_arguments, start_peer
from keras import ops
from rich.console import Console
from rich.table import Table

from glimmer_keras import Glimmer

# Of what `GlimmerBackbone.read` gives, what training alone needs.
UNREAD = ("live_states", "live_padding_mask", "passage_ranking")


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    return run_cases("peers", parse(arguments), build, measure, print_case)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[2])
    parser.add_argument("--size", type=lambda text: text.split(","), default=["base"])
    parser.add_argument("--batch", type=numbers, default=[1])
    parser.add_argument("--k", type=int, default=25, help="retrieved passages")
    parser.add_argument("--m", type=int, default=5, help="passages that GLIMMER selects")
    parser.add_argument("--question-length", type=int, default=48)
    parser.add_argument("--passage-length", type=int, default=352, help="with the question")
    parser.add_argument("--answers", type=numbers, default=[1, 4, 16], help="their tokens")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--dtype", choices=["float32", "mixed_bfloat16"], default="float32")
    add_jit_argument(parser)
    add_peer_arguments(parser)
    parser.add_argument("--output", metavar="DIR")
    options = read_arguments(parser, arguments)
    if not 1 <= options.m <= options.k:
        parser.error("--m must be from 1 to --k")
    return options


def build(size: str, options: argparse.Namespace) -> dict[str, Any]:
    """Ours and KerasHub's, by name with the passages that they read."""
    fid = Glimmer.fid(size, dtype=options.dtype)
    glimmer = Glimmer.glimmer(size, dtype=options.dtype, num_selected=options.m)
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
    found: dict[str, dict[str, Any]] = {}
    peer_rounds: list[dict[str, dict[str, float]]] = []
    tokens = options.k * options.passage_length
    with start_peer(size, batch, options) as ask_peer:
        for name, (reader, passages) in systems.items():
            compile_parts = keras_hub_parts if isinstance(reader, KerasHubFiD) else our_parts
            parts, jit = compile_parts(reader, batch, passages, options)
            calls |= {(name, part): call for part, call in parts.items()}
            found[name] = {"jit": jit}
        if ask_peer:
            calls["hf"] = lambda: peer_rounds.append(ask_peer())
        peak = Peak(systems[f"fid {options.k}"][0].backbone, tokens, options.jit)
        reading = ReadSpeed()

        def between():
            peak.measure()
            reading.measure()

        times = interleaved(calls, options.repeats, between)
        for name in peer_rounds[0] if ask_peer else ():
            found[name] = {"jit": "eager", **ask_peer.ready}
            for part in ("encode", *options.answers):
                times[name, part] = [taken[name][str(part)] for taken in peer_rounds]
    speeds = [statistics.median(rounds) for rounds in (peak.rounds, reading.rounds)]
    first, *others = found
    for name, system in found.items():
        system["encode"] = spread([taken / batch for taken in times[name, "encode"]])
        system["answers"] = {n: spread(seconds(times, name, n, batch)) for n in options.answers}
        if name in systems and not isinstance(systems[name][0], KerasHubFiD):
            system["limits"] = limits(*systems[name], batch, options, *speeds)
    for name in others:
        found[name]["glimmer_faster"] = {
            n: ratio(seconds(times, name, n, batch), seconds(times, first, n, batch), {})
            for n in options.answers
        }
    case = {"size": size, "batch": batch, "systems": found}
    return case | {"peak": peak.report(), "reading": reading.report()}


def our_parts(
    reader: Glimmer, batch: int, passages: int, options: argparse.Namespace
) -> tuple[dict[Any, Callable], dict[Any, str]]:
    """Compiled calls by part, and how each was compiled."""
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


def keras_hub_parts(
    reader: KerasHubFiD, batch: int, passages: int, options: argparse.Namespace
) -> tuple[dict[Any, Callable], dict[Any, str]]:
    calls, jit = {}, {}
    rng, shape = np.random.default_rng(0), (batch * passages, options.passage_length)
    ids = rng.integers(2, reader.backbone.vocabulary_size, shape).astype("int32")
    inputs = (ops.convert_to_tensor(ids), ops.ones(shape, "int32"))

    def encode(ids, mask):
        return ops.reshape(reader.encode(ids, mask), (batch, passages, shape[1], -1))

    calls["encode"], states, jit["encode"] = fastest(encode, reader, inputs, options.jit)
    for tokens in options.answers:
        asked = (prompt(batch, tokens), states)
        calls[tokens], _, jit[tokens] = fastest(reader.answer, reader, asked, options.jit)
    return calls, jit


def seconds(times: Times, name: str, tokens: int, batch: int) -> list[float]:
    """Of a question's answer of so many tokens, in each round."""
    rounds = zip(times[name, "encode"], times[name, tokens], strict=True)
    return [(encode + decode) / batch for encode, decode in rounds]


def limits(
    reader: Glimmer,
    passages: int,
    batch: int,
    options: argparse.Namespace,
    macs_per_second: float,
    bytes_per_second: float,
) -> dict[Any, float]:
    """The least seconds of a question: of its `encode`, and of its answers by their tokens."""
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
