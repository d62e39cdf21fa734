"""Token ids on disk and the mixture of them: their bytes, and what a mixture gives of each task."""

import argparse
import itertools
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras_hub
import numpy as np

from glimmer_keras import GlimmerPreprocessor
from glimmer_keras.data import (
    Corpus,
    DiskCorpus,
    MixtureSampler,
    TokenizedCorpus,
    TokenizedTask,
    mixture,
)
from glimmer_keras.models.presets import bundled_vocabulary
from glimmer_keras.pipelines import tokenize


def make_preprocessor(options: argparse.Namespace) -> GlimmerPreprocessor:
    """Make one with the tokenizer of the tiny world, as which one it is changes no speed."""
    tokenizer = keras_hub.models.T5Tokenizer(bundled_vocabulary("tiny_world").read_bytes())
    lengths = options.question_length, options.passage_length, options.answer_length
    return GlimmerPreprocessor(tokenizer, *lengths, options.k)


def bytes_on_disk(folder: Path, passages: int) -> dict[str, float]:
    """Count bytes a passage of the corpus, the BM25 index, and token ids, the tasks' among them."""
    sizes = {
        name: sum(path.stat().st_size for path in (folder / name).rglob("*") if path.is_file())
        for name in ("corpus", "index", "tokens")
    }
    return {name: size / passages for name, size in sizes.items()}


def bytes_held(
    folder: Path, disk: DiskCorpus, preprocessor: GlimmerPreprocessor
) -> tuple[dict[str, int], float]:
    """Count bytes of memory of the corpus on disk and its token ids, and a passage of a `Corpus`.

    What Python and NumPy allocate and keep; memory-mapped pages, which the system takes back when
    it needs them, are not among it.
    """
    made: dict[str, Callable[[], Any]] = {
        "corpus": lambda: DiskCorpus(disk.path),
        "tokens": lambda: tokenize([], disk, preprocessor, folder / "tokens"),
        "Corpus": lambda: Corpus(disk),
    }
    held = {}
    for name, make in made.items():
        make()  # what is imported or cached only once belongs to no passage
        tracemalloc.start()
        kept = make()
        held[name] = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        del kept
    in_memory = held.pop("Corpus") / len(disk)
    return held, in_memory


def shares(
    tasks: list[TokenizedTask], weights: list[float], options: argparse.Namespace
) -> dict[str, dict[str, float]]:
    """Give each task's weight, its share of the batches, and how far that is off, of the weight."""
    sampler = MixtureSampler([task.answer_counts for task in tasks], options.batch, 0, weights)
    drawn = np.zeros(len(tasks), "int64")
    for numbers, _, _ in itertools.islice(sampler, options.share_steps):
        drawn += np.bincount(numbers, minlength=len(tasks))
    rows = {}
    for task, weight, count in zip(tasks, sampler.probabilities, drawn, strict=True):
        share = count / drawn.sum()
        off = share / weight - 1 if weight else 0.0
        rows[task.name] = {"weight": float(weight), "share": float(share), "off": float(off)}
    return rows


def examples_per_second(
    tasks: list[TokenizedTask],
    passages: TokenizedCorpus,
    weights: list[float],
    options: argparse.Namespace,
) -> float:
    """Measure examples a second of the mixture, after one batch has come."""
    batches = iter(mixture(tasks, passages, options.batch, weights=weights))
    next(batches)
    started = time.perf_counter()
    for _ in range(options.steps):
        next(batches)
    return options.steps * options.batch / (time.perf_counter() - started)
