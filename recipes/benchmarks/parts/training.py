"""A model's training step on random data, its memory, and the input pipeline.

As a child process it measures the greatest resident memory of one system's steps.
"""

import argparse
import time
from typing import Any

import keras
import keras_hub
import numpy as np
from keras import ops

from glimmer_keras import Glimmer, GlimmerPreprocessor
from glimmer_keras.data import mixture
from glimmer_keras.models.presets import bundled_vocabulary
from glimmer_keras.pipelines import tokenize
from recipes.benchmarks.processes import be_part, resident
from recipes.worlds.tasks import world_tasks

STEPS = 3
BATCHES = 100  # of the input pipeline, timed


def build_system(size: str, system: str, options: argparse.Namespace, **compile: Any) -> Glimmer:
    """Build a system with random weights and the paper's optimizer."""
    if keras.backend.backend() == "tensorflow" and options.jit != "auto":
        compile["jit_compile"] = options.jit == "on"
    selected = {"num_selected": options.m} if system == "glimmer" else {}
    reader = Glimmer.from_size(
        size, system, dtype=options.dtype, dropout=options.dropout, **selected
    )
    reader.compile(**compile)
    return reader


def make_batch(reader: Glimmer, batch: int, options: argparse.Namespace) -> tuple:
    """Make random inputs, labels and label weights on the device."""
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
    """Measure the MiB of steps at their greatest over those before the first, which compiles."""
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


def batch_seconds(batch: int, options: argparse.Namespace) -> list[float]:
    """Time batches of a mixture of the generated world's tasks, at the lengths that are asked."""
    corpus, tasks, _ = world_tasks(seed=0, people=200)
    rng = np.random.default_rng(0)
    tasks = [t.with_retrieved(rng.integers(len(corpus), size=(len(t), options.k))) for t in tasks]
    tokenizer = keras_hub.models.T5Tokenizer(bundled_vocabulary("tiny_world").read_bytes())
    passage = options.passage_length - options.question_length
    lengths = (options.question_length, passage, options.answer_length)
    tokens, passages = tokenize(tasks, corpus, GlimmerPreprocessor(tokenizer, *lengths))
    batches = iter(mixture(tokens, passages, batch))
    next(batches)
    taken = []
    for _ in range(BATCHES):
        started = time.perf_counter()
        next(batches)
        taken.append(time.perf_counter() - started)
    return taken


if __name__ == "__main__":
    be_part(step_memory)
