"""Time and work of one answer, for the systems of the main comparison."""

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras
from keras import ops

import glimmer_keras as gk
from glimmer_keras.memory.quantize import quantize
from glimmer_keras.models.matrix_work import answering_work
from glimmer_keras.utils.files import write_file
from recipes.benchmarks.machine import machine
from recipes.benchmarks.parts.answering import make_inputs
from recipes.benchmarks.timing import fastest, interleaved, spread
from recipes.paper.cells import Cell
from recipes.paper.claims import Row
from recipes.paper.figures import main
from recipes.paper.model import make_model
from recipes.paper.scale import Scale

BATCHES = (1, 8)
ROUNDS = 30


def measured_times(scale: Scale, file: Path) -> dict[str, Any]:
    """What `file` holds, or measured now and kept there if that was of other shapes or none."""
    settings = {
        "backend": keras.backend.backend(),
        "t5": scale.t5,
        "lengths": [scale.question_length, scale.passage_length, scale.answer_length],
        "batches": list(BATCHES),
        "rounds": ROUNDS,
        "cells": {row.label: asdict(row.cell) for row in main(scale).rows},
    }
    settings = json.loads(json.dumps(settings))  # lists for tuples
    if file.is_file():
        kept = json.loads(file.read_text())
        if kept["settings"] == settings:
            return kept
    print("Measuring times", file=sys.stderr)
    times = {"settings": settings, "machine": machine(), **measure(scale, main(scale).rows)}
    write_file(file, json.dumps(times, indent=1))
    return times


def measure(scale: Scale, rows: Sequence[Row]) -> dict[str, Any]:
    """Seconds a question by batch and system, in each round, and the work of an answer.

    All systems are compiled before any is timed, and take turns. FiD starts from token ids, the
    others from int8 memory, as a store has it. No token stops an answer: all are of full length.
    """
    models = {row.label: make_model(row.cell, scale) for row in rows}
    for model in models.values():
        model.compile(sampler="greedy")
    seconds: dict[str, Any] = {}
    for batch in BATCHES:
        calls, choices = {}, {}
        for row in rows:
            model = models[row.label]
            inputs = answer_inputs(model, row.cell, batch, scale)
            calls[row.label], choices[row.label] = compiled_answer(model, inputs)
        measured = interleaved(calls, ROUNDS)
        seconds[str(batch)] = {
            label: {
                "rounds": [value / batch for value in values],
                **spread([value / batch for value in values]),
                "jit": choices[label],
            }
            for label, values in measured.items()
        }
    return {
        "seconds": seconds,
        "work": {row.label: work(models[row.label], row.cell, scale) for row in rows},
    }


def compiled_answer(model: gk.Glimmer, inputs: dict[str, Any]) -> tuple[Callable, str]:
    """A call that answers, and how it was compiled."""
    call, _, choice = fastest(lambda inputs: model.generate_step(inputs), model, (inputs,), "best")
    return call, choice


def answer_inputs(model: gk.Glimmer, cell: Cell, batch: int, scale: Scale) -> dict[str, Any]:
    options = argparse.Namespace(
        k=cell.num_passages,
        question_length=scale.question_length,
        passage_length=scale.question_length + scale.passage_length,
        answer_length=scale.answer_length,
    )
    inputs = make_inputs(model, batch, options)
    if "passage_memory" in inputs:
        memory = ops.convert_to_numpy(ops.cast(inputs["passage_memory"], "float32"))
        values, scales = quantize(memory)
        inputs["passage_memory"] = ops.convert_to_tensor(values)
        inputs["passage_memory_scales"] = ops.convert_to_tensor(scales)
    return inputs


def work(model: gk.Glimmer, cell: Cell, scale: Scale) -> dict[str, float]:
    """Multiply-accumulates of an answer: of the model as built, and by the paper's formula."""
    backbone, settings = model.backbone, cell.settings
    lengths = scale.question_length, scale.passage_length, scale.answer_length
    parts = answering_work(backbone, cell.num_passages, *lengths)
    names = ("live_proportion", "rerank_proportion", "num_selected")
    formula = gk.flops(
        "tiny",
        settings["system"],
        num_passages=cell.num_passages,
        passage_length=scale.question_length + scale.passage_length,
        answer_length=scale.answer_length,
        num_layers=backbone.num_layers,
        hidden_dim=backbone.hidden_dim,
        **{name: settings[name] for name in names if name in settings},
    )
    return {"exact": sum(part.total for part in parts.values()), "formula": formula.total}


def faster(times: dict[str, Any], fast: str, slow: str) -> dict[str, Any]:
    """Ratio of medians, and in how many rounds `fast` was the faster, by batch."""
    measured = {}
    for batch, seconds in times["seconds"].items():
        pairs = list(zip(seconds[fast]["rounds"], seconds[slow]["rounds"], strict=True))
        medians = [statistics.median(column) for column in zip(*pairs, strict=True)]
        won = sum(a < b for a, b in pairs)
        measured[batch] = {"ratio": medians[1] / medians[0], "won": won, "rounds": len(pairs)}
    return measured
