"""KERAS_BACKEND=jax python recipes/plan_training.py --size xxl --devices 16 --output plan

A training run on paper: what a device of a TPU slice or a box of GPUs has to hold, which batches
fit, and how long the run takes. Nothing of the model's size is made: JAX evaluates the shapes of
the weights, the optimizer's state and the whole training step, and the weights are laid out over
simulated devices by `training.layout_map`, as `on_devices(model_parallel)` would.

A device holds its part of the weights and of the optimizer's state, of their gradients in float32
once, and of what the step computes for its part of the batch, counted for
`compile(rematerialize=True)`: what goes into each block, the keys and values that the decoder and
the teacher read, the largest block as it runs again, and the logits. XLA needs more (copies that
it does not fuse, buffers of its collectives) and less (what it fuses): `--reserve` is left free.

Work is that of the step as built (`_matrix_work.py`), 2 FLOP a multiply-accumulate, and the
forward pass of all trained blocks once more where they are rematerialised. `--peak` is the TFLOP/s
of a device in bfloat16, of which `--utilization` is reached. Prints a table and writes
DIR/plan.json. Known devices: TPU v4 has 32 GB and 275 TFLOP/s (v4-32: 16 of them), A100 80 GB and
312, H100 80 GB and 989.
"""

import argparse
import json
import math
from pathlib import Path
from typing import Any

import jax
import keras
import numpy as np
from _matrix_work import student_work, training_work
from rich.console import Console
from rich.table import Table

from glimmer_keras import Glimmer
from glimmer_keras.distribution import layout_map
from glimmer_keras.models.sizes import SYSTEMS, T5_SIZES

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
        path = Path(options.output, "plan.json")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(report, indent=1), encoding="utf-8")
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


def abstract_model(options: argparse.Namespace) -> dict[str, Any]:
    """Weights and optimizer state as paths, shapes and dtypes: evaluated, never made.

    The options get the `backbone`, whose settings are read further on.
    """
    made: dict[str, Any] = {}

    def build():
        glimmer = Glimmer.from_size(options.size, options.system, dtype=options.dtype)
        glimmer.compile(rematerialize=True, weighted_metrics=[])
        glimmer.optimizer.build(glimmer.trainable_variables)
        made["glimmer"] = glimmer
        return tuple([v.value for v in variables] for variables in state_of(glimmer))

    state = jax.eval_shape(build)
    glimmer = options.glimmer = made["glimmer"]
    trainable, other, optimizer, _ = zip(state_of(glimmer), state, strict=True)
    # The step as `fit` runs it, which fails here if any shapes do not fit.
    loss = jax.eval_shape(glimmer.train_step, state, batch_of(1, options))[0]["loss"]
    assert loss.shape == ()
    frozen = [row for row in described(*other) if "seed_generator" not in row["path"]]
    return {
        "trained": described(*trainable),
        "frozen": frozen,
        "optimizer": described(*optimizer),
    }


def state_of(glimmer: Glimmer) -> tuple[list, list, list, list]:
    """The variables that `train_step` takes on JAX."""
    return (
        glimmer.trainable_variables,
        glimmer.non_trainable_variables,
        glimmer.optimizer.variables,
        glimmer.metrics_variables,
    )


def described(variables: list, arrays: list) -> list[dict[str, Any]]:
    pairs = zip(variables, arrays, strict=True)
    return [{"path": v.path, "shape": list(a.shape), "dtype": str(a.dtype)} for v, a in pairs]


def batch_of(rows: int, options: argparse.Namespace) -> tuple:
    """Inputs, labels and their weights, as shapes."""
    shapes = {
        "question": (rows, options.question_length),
        "passage": (rows, options.k, options.passage_length),
        "decoder": (rows, options.answer_length),
    }
    inputs = {f"{n}_token_ids": jax.ShapeDtypeStruct(s, "int32") for n, s in shapes.items()}
    inputs |= {f"{n}_padding_mask": jax.ShapeDtypeStruct(s, "bool") for n, s in shapes.items()}
    labels = shapes["decoder"]
    kinds = ("int32", "float32")
    return inputs, *(jax.ShapeDtypeStruct(labels, kind) for kind in kinds)


def held(shapes: dict[str, list], options: argparse.Namespace) -> dict[str, float]:
    """Bytes of a device, whatever the batch; and the weights in all."""
    copies = options.devices // options.model_parallel, options.model_parallel
    devices = keras.distribution.list_devices()
    layouts = layout_map(keras.distribution.DeviceMesh(copies, ("batch", "model"), devices))

    def part(row: dict[str, Any]) -> int:
        """Values that a device holds of a variable."""
        layout, shape = layouts[row["path"]], tuple(row["shape"])
        return math.prod(layout.backend_layout.shard_shape(shape) if layout else shape)

    def size(rows: list[dict[str, Any]], width: int | None = None) -> int:
        return sum(part(row) * (width or np.dtype(row["dtype"]).itemsize) for row in rows)

    weights = shapes["trained"] + shapes["frozen"]
    return {
        "parameters": sum(math.prod(row["shape"]) for row in weights),
        "weights": size(weights),
        "optimizer": size(shapes["optimizer"]),
        "gradients": size(shapes["trained"], 4),
    }


def activations(rows: int, options: argparse.Namespace) -> dict[str, float]:
    """Bytes of a device for `rows` questions of its copy of the model, rematerialised."""
    b = options.glimmer.backbone
    layers, parts = b.layer_counts, options.model_parallel
    width = np.dtype(jax.numpy.dtype(b.compute_dtype)).itemsize
    k, m = options.k, b.num_selected or options.k
    question, passage, answer = (
        options.question_length,
        options.passage_length,
        options.answer_length,
    )
    length, inner = question + passage, b.num_heads * b.key_value_dim
    tokens = (
        layers["memory"] * (k * passage + question)
        + layers["stage A"] * k * length
        + layers["stage B"] * m * length
        + layers["decoder"] * answer
        + (2 * k * length if b.num_selected else 0)  # the live states, and what the teacher reads
    )
    kept = len(b.decoder.cross_attention_layers) * 2 * b.decoder.cross_attention_key_value_heads
    kept = kept * b.key_value_dim / parts * width
    teacher = k * (length + question) if b.num_selected else 0
    sequences = k if layers["stage A"] or not b.num_selected else m
    # Scores before and after softmax in float32 and weights, hidden units thrice; and gradients.
    block = sequences * length * (b.num_heads / parts) * length * (8 + width)
    block += sequences * length * (3 * b.intermediate_dim + 4 * inner) / parts * width
    # The teacher reads one passage at a time.
    logits = (2 if b.num_selected else 1) * answer * b.vocabulary_size / parts * 4
    return {
        "block inputs": rows * tokens * b.hidden_dim * width,
        "keys and values": rows * (m * length + question + teacher) * kept,
        "one block": rows * block * 2,
        "logits": rows * logits * 2,
    }


def batch_plan(rows: int, kept: dict[str, float], options: argparse.Namespace) -> dict[str, Any]:
    """Of `rows` questions at a time in each copy of the model."""
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
    """FLOP of an update, and the time of updates and run."""
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
