"""KERAS_BACKEND=jax python -m recipes.benchmarks.inference --size small --batch 1,4 --output bench

Seconds a question for Fusion-in-Decoder, LUMEN and GLIMMER, with passage memory at hand where the
system has any (FiD starts from token ids). Every part and the whole are compiled functions, timed
in turn (A B C, A B C, ...) in one process. Beside the ratios stand those that the paper's formulas
predict (`glimmer_keras.flops`), those of the exact matrix work of the models as built, and those
of a program at this machine's limits: its matrix product's speed and, in decoding, the speed at
which weights, keys and values are read from memory, which bounds answering a single question.
Parts: `rerank` (question, stage A, scores, selection), `encode` (the rest of the encoder), `decode`
(cross-attention keys and values, then exactly `--answer-length` greedy tokens).

Prints tables and writes DIR/inference-BACKEND.json. Weights, memory and token ids are random, no
input is padded. Expect a few minutes for small on two cores, half an hour for base.
"""

import argparse
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from glimmer_keras import Glimmer, flops
from glimmer_keras.models.matrix_work import answering_work, decoder_positions
from recipes.benchmarks.limits import Limits, decoding_seconds, print_limits
from recipes.benchmarks.options import add_arguments, add_jit_argument, read_arguments
from recipes.benchmarks.parts.answering import build, compile_parts, make_inputs
from recipes.benchmarks.report import run_cases
from recipes.benchmarks.timing import interleaved, ratio, spread

PARTS = ("rerank", "encode", "decode")
PAIRS = (("fid", "glimmer"), ("lumen", "glimmer"), ("fid", "lumen"))
SPANS = {"whole": PARTS, "encoder": ("rerank", "encode"), "decoder": ("decode",)}


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    return run_cases("inference", parse(arguments), build, measure, print_case)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[2])
    add_arguments(parser, batch=[1, 4])
    add_jit_argument(parser)
    return read_arguments(parser, arguments)


def measure(
    readers: dict[str, Glimmer], size: str, batch: int, options: argparse.Namespace
) -> dict[str, Any]:
    """Compile and time all systems at one size and batch."""
    calls: dict[tuple, Any] = {}
    systems: dict[str, dict[str, Any]] = {}
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
    tokens = options.k * options.passage_length
    limits = Limits(readers["fid"].backbone, tokens, options.jit)
    times = interleaved(calls, options.repeats, limits.measure)
    times = {key: [value / batch for value in values] for key, values in times.items()}
    for (name, part), values in times.items():
        systems[name].setdefault("seconds", {})[part] = spread(values)
    speed, bandwidth = limits.speeds
    for name, system in systems.items():
        live = [part for part in SPANS["encoder"] if part in system["seconds"]]
        done = sum(sum(system["work"][part].values()) for part in live)
        taken = sum(system["seconds"][part]["median"] for part in live)
        system["encoder_share_of_peak"] = done / taken / speed
        backbone = readers[name].backbone
        decoder = decoding_seconds(
            backbone,
            decoder_positions(backbone, options.k, options.question_length, passage),
            options.answer_length,
            batch,
            speed,
            bandwidth,
        )
        system["limit"] = {
            "encoder": done / speed,
            "decoder": decoder,
            "whole": done / speed + decoder,
        }
    case = {"size": size, "batch": batch, "systems": systems, **limits.report()}
    case["ratios"] = [
        {"pair": f"{slow}/{fast}", "span": span, **compare(times, systems, slow, fast, span)}
        for span in SPANS
        for slow, fast in PAIRS
    ]
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
    """Give one measured ratio beside the predicted ones."""
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
        "limit": systems[slow]["limit"][span] / systems[fast]["limit"][span],
    }
    return ratio(seconds(slow), seconds(fast), predicted)


def print_case(console: Console, case: dict[str, Any], options: argparse.Namespace) -> None:
    title = f"{case['size']}, batch {case['batch']}: milliseconds a question (median)"
    shares = ("encoder's share of peak", "share of the machine's limits")
    table = Table("system", "whole", *PARTS, *shares, "jit", title=title)
    for name, system in case["systems"].items():
        seconds = system["seconds"]
        cells = [
            f"{1000 * seconds[part]['median']:.1f}" if part in seconds else "-"
            for part in ("whole", *PARTS)
        ]
        jit = "/".join(dict.fromkeys(system["jit"].values()))
        reads = f"{options.k}->{options.m}" if name == "glimmer" else f"{options.k}"
        limit = system["limit"]["whole"] / seconds["whole"]["median"]
        cells += [f"{share:.0%}" for share in (system["encoder_share_of_peak"], limit)]
        table.add_row(f"{name} {reads}", *cells, jit)
    console.print(table)
    predictions = ("formulas", "projections", "work", "limit")
    titles = ("formulas", "projections", "all matrix work", "machine's limits")
    table = Table("ratio", "of", "measured", *titles)
    for row in case["ratios"]:
        cells = [f"{row[f'by_{name}']:.2f}" for name in predictions]
        table.add_row(row["pair"], row["span"], f"{row['measured']:.2f}", *cells)
    console.print(table)
    print_limits(console, case)


if __name__ == "__main__":
    main()
