"""KERAS_BACKEND=jax python -m recipes.benchmarks.plan --size xxl --devices 16 --output plan

A training run on paper: what a device of a TPU slice or a box of GPUs has to hold, which batches
fit, and how long the run takes. Nothing of the model's size is made: JAX evaluates the shapes of
the weights, the optimizer's state and the whole training step, and the weights are laid out over
simulated devices by `distribution.layout_map`, as `on_devices(model_parallel)` would.

A device holds its part of the weights and of the optimizer's state, of their gradients in float32
once, and of what the step computes for its part of the batch, counted for
`compile(rematerialize=True)`: what goes into each block, the keys and values that the decoder and
the teacher read, the largest block as it runs again, and the logits. XLA needs more (copies that
it does not fuse, buffers of its collectives) and less (what it fuses): `--reserve` is left free.

Work is that of the step as built (`models.matrix_work`), 2 FLOP a multiply-accumulate, and the
forward pass of all trained blocks once more where they are rematerialised. `--peak` is the TFLOP/s
of a device in bfloat16, of which `--utilization` is reached. Prints a table and writes
DIR/plan.json. Known devices: TPU v4 has 32 GB and 275 TFLOP/s (v4-32: 16 of them), A100 80 GB and
312, H100 80 GB and 989.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import jax
import keras
from rich.console import Console
from rich.table import Table

from glimmer_keras.models.matrix_work import student_work, training_work
from glimmer_keras.models.sizes import SYSTEMS, T5_SIZES
from glimmer_keras.utils.files import write_file
from recipes.benchmarks.parts.device_memory import abstract_model, activations, held

GIGABYTE = 1e9
DAY = 24 * 3600
FIXED = ("weights", "optimizer", "gradients")


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    options = parse(arguments)
    jax.config.update("jax_num_cpu_devices", options.devices)
    report: dict[str, Any] = {"settings": dict(vars(options))}
    report["held"] = held(abstract_model(options), options)
    report["batches"] = [batch_plan(rows, report["held"], options) for rows in options.batch]
    report["work"] = work(options)
    print_report(Console(), report, options)
    if options.output:
        write_file(Path(options.output, "plan.json"), json.dumps(report, indent=1))
    return report


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[2])
    add = parser.add_argument
    add("--size", choices=list(T5_SIZES), default="xxl")
    add("--system", choices=list(SYSTEMS), default="glimmer")
    add("--devices", type=int, default=16)
    add("--model-parallel", type=int, default=16, help="devices that share one copy")
    add("--memory", type=float, default=32.0, help="GB of a device")
    add("--peak", type=float, default=275.0, help="TFLOP/s of a device, bfloat16")
    add("--utilization", type=float, default=0.4, help="of the peak")
    add("--reserve", type=float, default=0.1, help="share of the memory left free")
    add("--batch", type=int, nargs="+", default=[1, 2, 4, 8, 16, 32, 64, 128], help="at a time")
    add("--global-batch", type=int, default=128, help="the paper's, gradients accumulated to it")
    add("--steps", type=int, default=50_000, help="of the run; the paper does not say how many")
    add("--k", type=int, default=25)
    add("--question-length", type=int, default=48)
    add("--passage-length", type=int, default=304)
    add("--answer-length", type=int, default=32)
    add("--dtype", choices=["bfloat16", "mixed_bfloat16", "float32"], default="mixed_bfloat16")
    add("--output", metavar="DIR")
    options = parser.parse_args(arguments)
    if keras.backend.backend() != "jax":
        parser.error("set KERAS_BACKEND=jax, whose shapes are evaluated without arrays")
    if options.model_parallel < 1 or options.devices % options.model_parallel:
        parser.error("--model-parallel must divide --devices")
    return options


def batch_plan(rows: int, kept: dict[str, float], options: argparse.Namespace) -> dict[str, Any]:
    """Plan `rows` questions at a time in each copy of the model."""
    copies = options.devices // options.model_parallel
    accumulate = max(1, -(-options.global_batch // (rows * copies)))
    parts = {name: kept[name] for name in FIXED}
    if accumulate > 1:
        parts["accumulated"] = kept["gradients"]
    parts |= activations(rows, options)
    total = sum(parts.values())
    return {
        "rows": rows,
        "global_batch": rows * copies * accumulate,
        "accumulate": accumulate,
        "bytes": parts,
        "total": total,
        "fits": total <= options.memory * GIGABYTE * (1 - options.reserve),
    }


def work(options: argparse.Namespace) -> dict[str, float]:
    """Count the FLOP of an update, and the time of updates and run."""
    lengths = (options.k, options.question_length, options.passage_length, options.answer_length)
    backbone = options.glimmer.backbone
    once = training_work(backbone, *lengths).total
    again = student_work(backbone, *lengths).total
    flop = 2 * (once + again) * options.global_batch
    speed = options.devices * options.peak * 1e12 * options.utilization
    return {
        "flop": flop,
        "rematerialized_share": again / (once + again),
        "seconds": flop / speed,
        "days": options.steps * flop / speed / DAY,
    }


def print_report(console: Console, report: dict[str, Any], options: argparse.Namespace) -> None:
    kept, done = report["held"], report["work"]
    console.print(
        f"{options.system} {options.size}: {kept['parameters'] / 1e9:.2f} billion weights on "
        f"{options.devices} devices, {options.model_parallel} to a copy, {options.dtype}"
    )
    fixed = ", ".join(f"{name} {kept[name] / GIGABYTE:.2f}" for name in FIXED)
    console.print(f"GB of a device: {fixed}; {kept['gradients'] / GIGABYTE:.2f} where accumulated")
    names = list(activations(1, options))
    table = Table("questions", "batches", *names, "GB in all", "fits")
    for plan in report["batches"]:
        cells = [f"{plan['bytes'][name] / GIGABYTE:.2f}" for name in names]
        total, fits = f"{plan['total'] / GIGABYTE:.1f}", "yes" if plan["fits"] else "no"
        table.add_row(str(plan["rows"]), str(plan["accumulate"]), *cells, total, fits)
    console.print(table)
    console.print(
        f"An update of {options.global_batch} questions: {done['flop'] / 1e15:,.1f} PFLOP "
        f"({done['rematerialized_share']:.0%} of it rematerialised), {done['seconds']:.1f} s at "
        f"{options.utilization:.0%} of the peak; {options.steps:,} updates: {done['days']:.1f} days"
    )


if __name__ == "__main__":
    main()
