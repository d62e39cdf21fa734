"""A model's training step on random data. Shared by `benchmark_training.py` and its child.

As a child process: settings as JSON in its argument; the last line that it prints is the greatest
resident memory of one system's steps, as JSON.
"""

import argparse
import json
import sys
from typing import Any

import keras
import numpy as np
from _resident import resident
from keras import ops

from glimmer_keras import Glimmer

STEPS = 3


def build_system(size: str, system: str, options: argparse.Namespace, **compile: Any) -> Glimmer:
    """With random weights and the paper's optimizer."""
    if keras.backend.backend() == "tensorflow" and options.jit != "auto":
        compile["jit_compile"] = options.jit == "on"
    selected = {"num_selected": options.m} if system == "glimmer" else {}
    reader = Glimmer.from_size(
        size, system, dtype=options.dtype, dropout=options.dropout, **selected
    )
    reader.compile(**compile)
    return reader


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


def step_memory(settings: dict[str, Any]) -> dict[str, float]:
    """MiB of the steps at their greatest over what there was before the first, which compiles."""
    options = argparse.Namespace(**settings)
    reader = build_system(
        settings["name"], settings["system"], options, rematerialize=settings["rematerialize"]
    )
    data = make_batch(reader, settings["rows"], options)
    before = resident()["now"]
    for _ in range(STEPS):
        resident()  # so that the greatest is the last step's
        float(reader.train_on_batch(*data)[0])
    return {"before": before, "peak": resident()["greatest"] - before}


if __name__ == "__main__":
    print(json.dumps(step_memory(json.loads(sys.argv[1]))))
