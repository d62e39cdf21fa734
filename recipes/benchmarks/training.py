"""KERAS_BACKEND=jax python -m recipes.benchmarks.training --size small --batch 1,4 --output bench

Seconds a training step of GLIMMER (language model and perplexity-distillation loss, Adafactor,
memory encoder trained too) against Fusion-in-Decoder over the same passages, steps of one and the
other in turn, from arrays already on the device. Beside the ratio stands what the paper's formulas
predict: 3 times the forward work of all that is trained, plus once the teacher, which reads each
passage alone; and the same sum over the exact matrix work of the models as built.

`--peer hf` adds the step of FiD on Hugging Face's T5, with Adafactor too, in a child process in the
same rounds. `--memory` adds each system's greatest resident memory over what there was before its
first step, with and without `compile(rematerialize=True)`, each in a process of its own; and how
many times as fast as the step the input pipeline, `data.mixture`, gives batches of such shapes.

Prints a table and writes DIR/training-BACKEND.json. Weights and token ids are random, no input is
padded. Freed memory is kept (`training.keep_freed_memory`), but where memory is measured. Expect a
few minutes for small on two cores; with XLA on TensorFlow's CPU backend several times that, since
dropout is slow there (`--jit off`).
"""

import argparse
import statistics
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from glimmer_keras import Glimmer, training_flops
from glimmer_keras.models.matrix_work import training_work
from glimmer_keras.training import keep_freed_memory
from recipes.benchmarks.hugging_face.peer import add_peer_arguments, start_peer
from recipes.benchmarks.limits import Peak, print_limits
from recipes.benchmarks.options import add_arguments, read_arguments
from recipes.benchmarks.parts import training as parts
from recipes.benchmarks.processes import run_part
from recipes.benchmarks.report import run_cases
from recipes.benchmarks.timing import interleaved, ratio, spread


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    options = parse(arguments)
    keep_freed_memory()
    return run_cases("training", options, build, measure, print_case)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[2])
    add_arguments(parser, batch=[1])
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--rematerialize", action="store_true", help="in the timed steps, HF's too")
    parser.add_argument("--memory", action="store_true", help="measure memory and input too")
    add_peer_arguments(parser)
    parser.add_argument(
        "--jit", choices=["auto", "on", "off"], default="auto", help="XLA, on TensorFlow"
    )
    return read_arguments(parser, arguments)


def build(size: str, options: argparse.Namespace) -> dict[str, Glimmer]:
    again = {"rematerialize": options.rematerialize}
    return {name: parts.build_system(size, name, options, **again) for name in ("fid", "glimmer")}


def measure(
    readers: dict[str, Glimmer], size: str, batch: int, options: argparse.Namespace
) -> dict[str, Any]:
    """Time steps of both systems at one size and batch."""
    calls: dict[str, Callable] = {}
    systems: dict[str, dict[str, Any]] = {}
    last_loss: dict[str, float] = {}
    peer_rounds: list[float] = []
    passage = options.passage_length - options.question_length
    lengths = (options.k, options.question_length, passage, options.answer_length)
    for name, reader in readers.items():
        data = parts.make_batch(reader, batch, options)

        def step(name=name, reader=reader, data=data):
            # The loss is fetched, which waits for the step.
            last_loss[name] = float(reader.train_on_batch(*data)[0])

        step()
        calls[name] = step
        systems[name] = {
            "layers": reader.backbone.layer_counts,
            "jit": bool(reader.jit_compile),
            "formulas": formulas(size, name, options),
            "work": asdict(training_work(reader.backbone, *lengths)),
        }
    tokens = options.k * options.passage_length
    peak = Peak(readers["fid"].backbone, tokens, "best")
    with start_peer("training", size, peer_settings(batch, options), options) as ask_peer:
        if ask_peer:
            calls["hf fid"] = lambda: peer_rounds.append(ask_peer()["step"])
            peer = ask_peer.ready
        times = interleaved(calls, options.repeats, peak.measure)
    speed = statistics.median(peak.rounds)
    for name, system in systems.items():
        system["seconds"] = spread(times[name])
        done = batch * sum(system["work"].values()) / system["seconds"]["median"]
        system["share_of_peak"] = done / speed
        system["loss"] = last_loss[name]
    fid, glimmer = systems["fid"], systems["glimmer"]
    predicted = {
        "formulas": fid["formulas"] / glimmer["formulas"],
        "projections": fid["work"]["projections"] / glimmer["work"]["projections"],
        "work": sum(fid["work"].values()) / sum(glimmer["work"].values()),
    }
    case: dict[str, Any] = {
        "size": size,
        "batch": batch,
        "systems": systems,
        "ratio": ratio(times["fid"], times["glimmer"], predicted),
        "peak": peak.report(),
    }
    if peer_rounds:
        faster = {name: ratio(peer_rounds, times[name], {}) for name in systems}
        case["peer"] = {**peer, "seconds": spread(peer_rounds), "ours_faster": faster}
    if options.memory:
        for name, system in systems.items():
            system["memory"] = {
                str(remat).lower(): step_memory(size, name, batch, remat, options)
                for remat in (False, True)
            }
        supply = spread(parts.batch_seconds(batch, options))
        case["input"] = {"batch_seconds": supply}
        for name, system in systems.items():
            case["input"][name] = system["seconds"]["median"] / supply["median"]
    return case


def peer_settings(batch: int, options: argparse.Namespace) -> dict[str, Any]:
    names = ("k", "passage_length", "answer_length", "dropout", "rematerialize")
    return {"batch": batch, **{name: getattr(options, name) for name in names}}


def step_memory(
    size: str, system: str, batch: int, rematerialize: bool, options: argparse.Namespace
) -> dict[str, float]:
    """Measure what the steps of one system take at their greatest, in a process of its own."""
    case = {"name": size, "system": system, "rows": batch, "rematerialize": rematerialize}
    return run_part(parts.__name__, {**vars(options), **case})


def formulas(size: str, system: str, options: argparse.Namespace) -> float:
    """Count one question's step by the paper's terms, in multiply-accumulates."""
    return training_flops(
        size,
        system,
        num_passages=options.k,
        passage_length=options.passage_length,
        question_length=options.question_length,
        answer_length=options.answer_length,
        dropout=bool(options.dropout),
        num_selected=options.m if system == "glimmer" else None,
    )


def print_case(console: Console, case: dict[str, Any], options: argparse.Namespace) -> None:
    title = f"{case['size']}, batch {case['batch']}: a training step"
    columns = ("system", "seconds (median)", "lowest", "highest", "share of peak", "jit")
    table = Table(*columns, title=title)
    for name, system in case["systems"].items():
        cells = [f"{system['seconds'][key]:.3f}" for key in ("median", "min", "max")]
        reads = f"{options.k}->{options.m}" if name == "glimmer" else f"{options.k}"
        table.add_row(
            f"{name} {reads}", *cells, f"{system['share_of_peak']:.0%}", str(system["jit"])
        )
    if "peer" in case:
        seconds = case["peer"]["seconds"]
        cells = [f"{seconds[key]:.3f}" for key in ("median", "min", "max")]
        ours = case["peer"]["ours_faster"]["fid"]["measured"]
        table.add_row("hf fid", *cells, f"our fid: {ours:.2f} times as fast", "eager")
    console.print(table)
    if options.memory:
        for name, system in case["systems"].items():
            plain, remat = (system["memory"][key]["peak"] for key in ("false", "true"))
            console.print(
                f"{name}: {plain:,.0f} MiB in training, {remat:,.0f} rematerialised; "
                f"input is {case['input'][name]:.0f} times as fast as the step"
            )
    row = case["ratio"]
    console.print(
        f"fid/glimmer: {row['measured']:.2f} measured, {row['by_formulas']:.2f} by the formulas, "
        f"{row['by_projections']:.2f} by projections, {row['by_work']:.2f} by all matrix work"
    )
    print_limits(console, case)


if __name__ == "__main__":
    main()
