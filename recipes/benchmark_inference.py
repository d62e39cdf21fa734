"""KERAS_BACKEND=jax python recipes/benchmark_inference.py --size small --batch 1,4 --output bench

Seconds a question for Fusion-in-Decoder, LUMEN and GLIMMER, with passage memory at hand where the
system has any (FiD starts from token ids). Every part and the whole are compiled functions, timed
in turn (A B C, A B C, ...) in one process. Beside the ratios stand those that the paper's formulas
predict (`glimmer_keras.flops`) and those of the exact matrix work of the models as built.
Parts: `rerank` (question, stage A, scores, selection), `encode` (the rest of the encoder), `decode`
(cross-attention keys and values, then exactly `--answer-length` greedy tokens).

Prints tables and writes DIR/inference-BACKEND.json. Weights, memory and token ids are random, no
input is padded. Expect a few minutes for small on two cores, half an hour for base.
`--peer hf` adds FiD on Hugging Face's T5, timed in the same rounds by a child process.
"""

import argparse
import json
import statistics
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras
from _answering_parts import build, compile_parts, make_inputs
from _benchmark import Peak, interleaved, machine, ratio, spread
from _matrix_work import answering_work
from _peer import peer_report, start_peer
from rich.console import Console
from rich.table import Table

from glimmer_keras import Glimmer, flops

PARTS = ("rerank", "encode", "decode")
PAIRS = (("fid", "glimmer"), ("lumen", "glimmer"), ("fid", "lumen"))
SPANS = {"whole": PARTS, "encoder": ("rerank", "encode"), "decoder": ("decode",)}


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    options = parse(arguments)
    console = Console()
    report: dict[str, Any] = {"settings": vars(options), "machine": machine(), "cases": []}
    for size in options.size:
        readers = build(size, options)
        for batch in options.batch:
            console.print(f"{size}, batch {batch}, {keras.backend.backend()}: compiling, timing")
            report["cases"].append(measure(readers, size, batch, options))
            print_case(console, report["cases"][-1], options)
    if options.output:
        path = Path(options.output) / f"inference-{keras.backend.backend()}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(report, indent=1), encoding="utf-8")
        console.print(f"Written to {path}")
    return report


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[2])
    parser.add_argument("--size", type=lambda text: text.split(","), default=["small"])
    parser.add_argument("--k", type=int, default=25, help="retrieved passages")
    parser.add_argument("--m", type=int, default=5, help="passages that GLIMMER selects")
    parser.add_argument("--question-length", type=int, default=48)
    parser.add_argument("--passage-length", type=int, default=352, help="with the question")
    parser.add_argument("--answer-length", type=int, default=16)
    parser.add_argument(
        "--batch", type=lambda text: [int(n) for n in text.split(",")], default=[1, 4]
    )
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument(
        "--jit", choices=["on", "off", "best"], default="best", help="XLA, on TensorFlow"
    )
    parser.add_argument("--dtype", choices=["float32", "mixed_bfloat16"], default="float32")
    parser.add_argument("--peer", choices=["hf"])
    parser.add_argument("--peer-python", default=sys.executable, help="with torch, transformers")
    parser.add_argument("--output", metavar="DIR")
    options = parser.parse_args(arguments)
    if not 1 <= options.question_length < options.passage_length:
        parser.error("--question-length must be from 1 to under --passage-length")
    return options


def measure(
    readers: dict[str, Glimmer], size: str, batch: int, options: argparse.Namespace
) -> dict[str, Any]:
    """Compile and time all systems at one size and batch."""
    calls: dict[tuple, Any] = {}
    systems: dict[str, dict[str, Any]] = {}
    with start_peer(size, batch, options) as ask_peer:
        for name, reader in readers.items():
            parts, choices, answers = compile_parts(
                reader, make_inputs(reader, batch, options), options.jit
            )
            calls |= {(name, part): call for part, call in parts.items()}
            passage = options.passage_length - options.question_length
            lengths = (options.k, options.question_length, passage, options.answer_length)
            work = answering_work(reader.backbone, *lengths)
            systems[name] = {
                "layers": reader.backbone.layer_counts,
                "jit": choices,
                "work": {part: asdict(value) for part, value in work.items()},
                "formulas": asdict(formulas(size, name, options)),
                "parts_agree": answers["decode"] == answers["whole"],
            }
        backbone = readers["fid"].backbone
        peak = Peak(backbone, options.k * options.passage_length, options.jit)
        peer_rounds: list[dict[str, float]] = []

        def between():
            peak.measure()
            peer_rounds.extend([ask_peer()] if ask_peer else [])

        times = interleaved(calls, options.repeats, between)
    times = {key: [value / batch for value in values] for key, values in times.items()}
    for (name, part), values in times.items():
        systems[name].setdefault("seconds", {})[part] = spread(values)
    speed = statistics.median(peak.rounds)
    for system in systems.values():
        live = [part for part in SPANS["encoder"] if part in system["seconds"]]
        done = sum(sum(system["work"][part].values()) for part in live)
        taken = sum(system["seconds"][part]["median"] for part in live)
        system["encoder_share_of_peak"] = done / taken / speed
    case = {"size": size, "batch": batch, "systems": systems, "peak": peak.report()}
    case["ratios"] = [
        {"pair": f"{slow}/{fast}", "span": span, **compare(times, systems, slow, fast, span)}
        for span in SPANS
        for slow, fast in PAIRS
    ]
    if ask_peer:
        case["peer"] = peer_report(ask_peer.ready, peer_rounds, times)
    return case


def formulas(size: str, system: str, options: argparse.Namespace) -> Any:
    selected = {"num_selected": options.m} if system == "glimmer" else {}
    return flops(
        size,
        system,
        num_passages=options.k,
        passage_length=options.passage_length,
        answer_length=options.answer_length,
        **selected,
    )


def compare(times: dict, systems: dict, slow: str, fast: str, span: str) -> dict[str, float]:
    """One measured ratio beside the predicted ones."""
    terms = {
        "encoder": ("live_encoder", "reranking"),
        "decoder": ("cross_attention", "decoder"),
        "whole": ("live_encoder", "reranking", "cross_attention", "decoder"),
    }[span]

    def seconds(name):
        parts = ("whole",) if span == "whole" else SPANS[span]
        rounds = zip(*(times[name, part] for part in parts if (name, part) in times), strict=True)
        return [sum(values) for values in rounds]

    def by_formulas(name):
        return sum(systems[name]["formulas"][term] for term in terms)

    def by_work(name, *kinds):
        work = [systems[name]["work"].get(part, {}) for part in SPANS[span]]
        return sum(part.get(kind, 0) for part in work for kind in kinds)

    both = ("projections", "scores")
    predicted = {
        "formulas": by_formulas(slow) / by_formulas(fast),
        "projections": by_work(slow, "projections") / by_work(fast, "projections"),
        "work": by_work(slow, *both) / by_work(fast, *both),
    }
    return ratio(seconds(slow), seconds(fast), predicted)


def print_case(console: Console, case: dict[str, Any], options: argparse.Namespace) -> None:
    title = f"{case['size']}, batch {case['batch']}: milliseconds a question (median)"
    table = Table("system", "whole", *PARTS, "encoder's share of peak", "jit", title=title)
    for name, system in case["systems"].items():
        seconds = system["seconds"]
        cells = [
            f"{1000 * seconds[part]['median']:.1f}" if part in seconds else "-"
            for part in ("whole", *PARTS)
        ]
        jit = "/".join(dict.fromkeys(system["jit"].values()))
        reads = f"{options.k}->{options.m}" if name == "glimmer" else f"{options.k}"
        table.add_row(f"{name} {reads}", *cells, f"{system['encoder_share_of_peak']:.0%}", jit)
    if "peer" in case:
        seconds, faster = case["peer"]["seconds"], case["peer"]["our_fid_speed"]
        cells = [f"{1000 * seconds[part]['median']:.1f}" for part in ("whole", "encode")]
        ours = f"our fid: {faster['whole']:.2f} times as fast"
        table.add_row("hf fid", cells[0], "-", cells[1], "-", ours, "eager")
    console.print(table)
    table = Table("ratio", "of", "measured", "formulas", "projections", "all matrix work")
    for row in case["ratios"]:
        cells = [f"{row[key]:.2f}" for key in ("measured", "by_formulas", "by_projections")]
        table.add_row(row["pair"], row["span"], *cells, f"{row['by_work']:.2f}")
    console.print(table)
    peak = case["peak"]["macs_per_second"]
    low, high = (2e-9 * peak[key] for key in ("min", "max"))
    shape = " x ".join(map(str, case["peak"]["shape"]))
    console.print(f"Matrix product {shape}: {low:.0f} to {high:.0f} GFLOP/s over the rounds")


if __name__ == "__main__":
    main()
