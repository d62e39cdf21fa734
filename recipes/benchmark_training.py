"""KERAS_BACKEND=jax python recipes/benchmark_training.py --size small --batch 1,4 --output bench

Seconds a training step of GLIMMER (language model and perplexity-distillation loss, Adafactor,
memory encoder trained too) against Fusion-in-Decoder over the same passages, steps of one and the
other in turn, from arrays already on the device. Beside the ratio stands what the paper's formulas
predict: 3 times the forward work of all that is trained, plus once the teacher, which reads each
passage alone; and the same sum over the exact matrix work of the models as built.

Prints a table and writes DIR/training-BACKEND.json. Weights and token ids are random, no input is
padded. Expect a few minutes for small on two cores; with XLA on TensorFlow's CPU backend several
times that, since dropout is slow there (`--jit off`).
"""

import argparse
import statistics
from dataclasses import asdict
from typing import Any

import keras
import numpy as np
from _benchmark import (
    Peak,
    add_arguments,
    interleaved,
    print_limits,
    ratio,
    read_arguments,
    run_cases,
    spread,
)
from _matrix_work import training_work
from keras import ops
from rich.console import Console
from rich.table import Table

from glimmer_keras import Glimmer, flops
from glimmer_keras.models.sizes import SYSTEMS


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    return run_cases("training", parse(arguments), build, measure, print_case)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[2])
    add_arguments(parser, batch=[1])
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument(
        "--jit", choices=["auto", "on", "off"], default="auto", help="XLA, on TensorFlow"
    )
    return read_arguments(parser, arguments)


def build(size: str, options: argparse.Namespace) -> dict[str, Glimmer]:
    """FiD and GLIMMER with random weights and the paper's optimizer."""
    jit: str | bool = "auto"
    if keras.backend.backend() == "tensorflow" and options.jit != "auto":
        jit = options.jit == "on"
    readers = {}
    for system in ("fid", "glimmer"):
        selected = {"num_selected": options.m} if system == "glimmer" else {}
        readers[system] = Glimmer.from_size(
            size, system, dtype=options.dtype, dropout=options.dropout, **selected
        )
        readers[system].compile(jit_compile=jit)
    return readers


def make_batch(reader: Glimmer, batch: int, options: argparse.Namespace) -> tuple:
    """Inputs, labels and label weights, random, on the device."""
    rng = np.random.default_rng(0)
    passage = options.passage_length - options.question_length
    inputs: dict[str, Any] = {}
    for name, shape in {
        "question": (batch, options.question_length),
        "passage": (batch, options.k, passage),
        "decoder": (batch, options.answer_length),
    }.items():
        ids = rng.integers(2, reader.backbone.vocabulary_size, shape)
        inputs[f"{name}_token_ids"] = ops.convert_to_tensor(ids, dtype="int32")
        inputs[f"{name}_padding_mask"] = ops.ones(shape, dtype="bool")
    labels = ops.roll(inputs["decoder_token_ids"], -1, axis=1)
    return inputs, labels, ops.ones(labels.shape, dtype="float32")


def measure(
    readers: dict[str, Glimmer], size: str, batch: int, options: argparse.Namespace
) -> dict[str, Any]:
    """Time steps of both systems at one size and batch."""
    calls, systems, last_loss = {}, {}, {}
    passage = options.passage_length - options.question_length
    lengths = (options.k, options.question_length, passage, options.answer_length)
    for name, reader in readers.items():
        data = make_batch(reader, batch, options)

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
    return {
        "size": size,
        "batch": batch,
        "systems": systems,
        "ratio": ratio(times["fid"], times["glimmer"], predicted),
        "peak": peak.report(),
    }


def formulas(size: str, system: str, options: argparse.Namespace) -> float:
    """The paper's terms for one question's step, in multiply-accumulates."""
    k, m, answer = options.k, options.m, options.answer_length
    length = options.passage_length

    def count(system, **settings):
        return flops(size, system, answer_length=answer, **settings)

    if system == "fid":
        return 3 * count("fid", num_passages=k, passage_length=length).total
    alpha, beta = (SYSTEMS[system][name] for name in ("live_proportion", "rerank_proportion"))
    live = count(system, num_passages=k, passage_length=length, num_selected=m)
    stored = {"live_proportion": 1 - alpha, "passage_length": length - options.question_length}
    memory = count("lumen", num_passages=k, **stored).live_encoder
    stored["passage_length"] = options.question_length
    memory += count("lumen", num_passages=1, **stored).live_encoder
    # Without dropout the teacher reuses what stage B gave for the selected passages.
    unread = k if options.dropout else k - m
    stage_b = {"live_proportion": alpha * (1 - beta), "passage_length": length}
    teacher = count("lumen", num_passages=max(unread, 1), **stage_b).live_encoder * bool(unread)
    alone = count("lumen", num_passages=1, passage_length=length)
    return 3 * (live.total + memory) + teacher + k * (alone.cross_attention + alone.decoder)


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
    console.print(table)
    row = case["ratio"]
    console.print(
        f"fid/glimmer: {row['measured']:.2f} measured, {row['by_formulas']:.2f} by the formulas, "
        f"{row['by_projections']:.2f} by projections, {row['by_work']:.2f} by all matrix work"
    )
    print_limits(console, case)


if __name__ == "__main__":
    main()
