"""Encoding a corpus and reading its memory, each in a child process, which tells its memory."""

import argparse
import itertools
import statistics
import time
from pathlib import Path
from typing import Any

import keras
import keras_hub
import numpy as np

from glimmer_keras import Glimmer, GlimmerPreprocessor
from glimmer_keras.data import PassageFile
from glimmer_keras.memory import MemoryStore, StoreWriter
from glimmer_keras.memory.manifest import DTYPES
from glimmer_keras.models.matrix_work import Work, encoder_work
from glimmer_keras.models.sizes import size_arguments
from glimmer_keras.pipelines.length_batches import LENGTH_STEP
from glimmer_keras.pipelines.passage_encoder import (
    EncodingReport,
    PassageEncoder,
    PassageTokens,
    encode_shards,
)
from glimmer_keras.utils.chunks import in_chunks
from recipes.benchmarks.limits import Peak
from recipes.benchmarks.processes import be_part, greatest_memory

PASSAGES_READ = 25


def build(options: argparse.Namespace) -> Glimmer:
    keras.utils.set_random_seed(0)
    proto = (Path(options.store).parent / "vocabulary.spm").read_bytes()
    tokenizer = keras_hub.models.T5Tokenizer(proto)
    preprocessor = GlimmerPreprocessor(tokenizer, passage_length=options.passage_length)
    vocabulary = tokenizer.vocabulary_size()
    return Glimmer.from_size(options.size, preprocessor=preprocessor, vocabulary_size=vocabulary)


def encode(options: argparse.Namespace) -> dict[str, Any]:
    """Encode the first passages of the corpus, and tell times, shares and the greatest memory."""
    corpus = PassageFile(options.corpus)
    glimmer, before = build(options), greatest_memory()
    backbone = glimmer.backbone
    encoder = PassageEncoder(glimmer, options.tokens_per_batch)
    started = time.perf_counter()
    compile_shapes(encoder)
    compiling = time.perf_counter() - started
    peak = Peak(backbone, options.tokens_per_batch, options.jit)
    writer = create(options, options.store)
    count = sum(1 for _ in itertools.islice(corpus, options.limit))
    shards = enumerate(in_chunks(itertools.islice(corpus, options.limit), options.shard_size))
    total = -(-count // options.shard_size)
    rounds = []
    peak.measure()
    # In a round of three shards one is read, one encoded and one written, as in a long run.
    for part in np.array_split(np.arange(total), max(1, min(options.rounds, total // 3))):
        rounds.append(encode_shards(encoder, itertools.islice(shards, len(part)), writer))
        peak.measure()
    writer.complete(total)
    taken = {name: sum(getattr(part, name) for part in rounds) for name in vars(EncodingReport())}
    memory = greatest_memory()
    lengths = [
        encoder.tokenize(chunk).lengths
        for chunk in in_chunks(itertools.islice(corpus, options.limit), options.shard_size)
    ]
    work = real_work(backbone, np.concatenate(lengths))
    layers = backbone.layer_counts["memory"]
    counted = {
        "formulas": 12 * backbone.hidden_dim**2 * layers * taken["tokens"],
        "projections": work.projections,
        "with_scores": work.total,
    }
    speed = statistics.median(peak.rounds)
    return {
        **taken,
        "compiling": compiling,
        "passages_per_second": taken["passages"] / taken["seconds"],
        "tokens_per_second": taken["tokens"] / taken["seconds"],
        "waited_share": taken["waited"] / taken["seconds"],
        "macs": counted,
        "share_of_peak": {n: macs / taken["seconds"] / speed for n, macs in counted.items()},
        "peak": peak.report(),
        "megabytes_with_model": before,
        "megabytes": memory,
    }


def compile_shapes(encoder: PassageEncoder) -> None:
    """Encode one passage of each length, so that every shape is compiled."""
    ids = np.full((1, encoder.passage_length), 2, "int32")
    for length in range(LENGTH_STEP, encoder.passage_length + LENGTH_STEP, LENGTH_STEP):
        lengths = np.array([min(length, encoder.passage_length)], "int32")
        encoder.encode(PassageTokens(ids, lengths, 0))


def real_work(backbone: Any, lengths: np.ndarray) -> Work:
    """Count the work of encoding passages, each at its own length."""
    work, layers = Work(), backbone.layer_counts["memory"]
    for length, number in zip(*np.unique(lengths, return_counts=True), strict=True):
        work += encoder_work(backbone, layers, int(number), int(length))
    return work


def read(options: argparse.Namespace) -> dict[str, Any]:
    """Read 25 random passages many times, and tell the greatest memory."""
    before = greatest_memory()
    store, rng = MemoryStore.open(options.store), np.random.default_rng(0)
    corpus = itertools.islice(PassageFile(options.corpus), options.limit)
    ids = np.array([passage.id for passage in corpus])
    for _ in range(10 * options.repeats):
        store.read(rng.choice(ids, min(PASSAGES_READ, len(ids)), replace=False))
    return {"passages": len(ids), "megabytes_before": before, "megabytes": greatest_memory()}


def sizes(options: argparse.Namespace) -> dict[str, float]:
    """Measure bytes per token and dimension of a store of each dtype, all files counted."""
    encoder = PassageEncoder(build(options), options.tokens_per_batch)
    corpus = itertools.islice(PassageFile(options.corpus), options.limit)
    writers = {dtype: create(options, f"{options.store}-{dtype}", dtype) for dtype in DTYPES}
    number = 0
    for number, passages in enumerate(in_chunks(corpus, options.shard_size)):
        tokens = encoder.tokenize(passages)
        memory = encoder.encode(tokens)
        for writer in writers.values():
            writer.write_shard(number, memory, tokens.lengths, passages)
    measured = {}
    for dtype, writer in writers.items():
        writer.complete(number + 1)
        info = MemoryStore.open(f"{options.store}-{dtype}").info()
        measured[dtype] = info["bytes_per_token_and_dim"]
    return measured


def create(options: argparse.Namespace, path: str, dtype: str = "int8") -> StoreWriter:
    return MemoryStore.create(
        path,
        hidden_dim=size_arguments(options.size)["hidden_dim"],
        passage_length=options.passage_length,
        dtype=dtype,
        shard_size=options.shard_size,
    )


PARTS = {"encode": encode, "read": read, "sizes": sizes}


def measure(settings: dict[str, Any]) -> dict[str, Any]:
    """Measure the part that the settings name."""
    return PARTS[settings["part"]](argparse.Namespace(**settings))


if __name__ == "__main__":
    be_part(measure)
