"""Encoding on Apache Beam, which is imported only when it is asked for."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from glimmer_keras.data import PassageFile
from glimmer_keras.data.passage_file import Place
from glimmer_keras.memory import MemoryStore
from glimmer_keras.models import Glimmer, memory_fingerprint
from glimmer_keras.pipelines.encode_corpus import (
    check_passages,
    complete_store,
    quantizer_of,
    store_settings,
)
from glimmer_keras.pipelines.length_batches import TOKENS_PER_BATCH
from glimmer_keras.pipelines.passage_encoder import EncodingReport, PassageEncoder, encode_shards
from glimmer_keras.utils.location import Location

# Settings of a store by name, as `MemoryStore.create` takes them.
Settings = dict[str, Any]

_loading = threading.Lock()


def beam_encode_corpus(
    preset: str,
    corpus: PassageFile,
    path: str | os.PathLike[str],
    dtype: str = "int8",
    shard_size: int = 1024,
    tokens_per_batch: int = TOKENS_PER_BATCH,
    options: Sequence[str] = ("--runner=DirectRunner",),
) -> MemoryStore:
    """Do what `encode_corpus` does on Apache Beam, with any number of workers.

    Each worker loads the model and writes shards of its own; the last step, one for all, makes
    them a store. It is the store that `encode_corpus` makes, and what was killed goes on where
    it was.

    Args:
        preset: Folder or name of the model's preset, which workers can read too.
        corpus: The passages' file, likewise. Workers of a plain file begin to read at their
            shards; to reach a shard of a gzipped one they have to unpack all before it.
        path: Local path or URL of the new store, likewise.
        dtype: As `MemoryStore.create` takes it.
        shard_size: Passages of a shard, which is what one worker does at a time.
        tokens_per_batch: Tokens that go through the model together.
        options: Options of Beam's pipeline, such as `["--runner=DirectRunner",
            "--direct_num_workers=2", "--direct_running_mode=multi_processing"]`.

    Raises:
        ImportError: If Apache Beam is not installed.
        FileExistsError, ValueError, OSError: As `encode_corpus`.
        ChildProcessError: If a worker failed. What is written so far is kept.
    """
    try:
        import apache_beam as beam
        from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions
    except ImportError as error:
        raise ImportError(
            "encoding on Apache Beam needs an extra: pip install glimmer_keras[beam]"
        ) from error

    parsed = PipelineOptions(list(options))
    standard = parsed.view_as(StandardOptions)
    if standard.runner in (None, "DirectRunner"):
        # Beam's "DirectRunner" first tries to fetch another runner from the network, which knows
        # no --direct_num_workers. This is the one that it falls back to.
        standard.runner = "FnApiRunner"
    glimmer = Glimmer.from_preset(preset)
    settings = store_settings(glimmer, dtype, shard_size)
    store = complete_store(path, settings, corpus)
    if store is not None:
        return store
    count = check_passages(corpus)
    places = [place for n, (place, _) in enumerate(corpus.located()) if n % shard_size == 0]
    encoder = PassageEncoder(glimmer, tokens_per_batch)
    quantizer = quantizer_of(encoder, corpus, count, path, settings)
    path = os.fspath(path)
    pipeline = beam.Pipeline(options=parsed)
    _ = (
        pipeline
        | "Shards" >> beam.Create(list(enumerate(places)))
        | "Spread" >> beam.Reshuffle()
        | "Encode" >> beam.Map(encode_shard, preset, corpus, path, settings, tokens_per_batch)
        | "All" >> beam.CombineGlobally(add_reports)
        | "Complete" >> beam.Map(complete, path, settings, len(places))
    )
    with Location(path).alone():
        # Errors of path and settings come here, not in workers.
        MemoryStore.create(path, **settings, quantizer=quantizer)
        try:
            pipeline.run().wait_until_finish()
        except Exception as error:
            # Its last line is the worker's error, and what is above the way there.
            reason = str(error).strip().splitlines() or [type(error).__name__]
            raise ChildProcessError(f"encoding on Apache Beam failed: {reason[-1]}") from error
    return MemoryStore.open(path)


def encode_shard(
    shard: tuple[int, Place],
    preset: str,
    corpus: PassageFile,
    path: str,
    settings: Settings,
    tokens_per_batch: int,
) -> EncodingReport:
    """Encode and write one shard, if it is not written yet; a worker's step.

    Args:
        shard: The shard's number, and where its first passage is in the file.
        preset: Folder or name of the model's preset.
        corpus: The passages' file.
        path: Path of the store.
        settings: Settings of the store, which those that the work began with must equal.
        tokens_per_batch: Tokens that go through the model together.
    """
    with _loading:  # The worker may have several threads, of which one loads the model.
        encoder, fingerprint = _encoder(preset, tokens_per_batch)
    writer = MemoryStore.create(path, **{**settings, "fingerprint": fingerprint})
    number, place = shard
    passages = corpus.read(Place(*place), writer.shard_size)
    return encode_shards(encoder, [(number, passages)], writer)


def add_reports(reports: Iterable[EncodingReport]) -> EncodingReport:
    """Add up what workers report."""
    total = EncodingReport()
    for report in reports:
        for name in vars(total):
            setattr(total, name, getattr(total, name) + getattr(report, name))
    return total


def complete(report: EncodingReport, path: str, settings: Settings, num_shards: int) -> None:
    """Complete the store when all shards are written; the runner may call it again."""
    try:
        MemoryStore.create(path, **settings).complete(num_shards)
    except FileExistsError:
        MemoryStore.open(path, settings["fingerprint"])
    report.log(settings["passage_length"])


@lru_cache(maxsize=1)
def _encoder(preset: str, tokens_per_batch: int) -> tuple[PassageEncoder, dict[str, str]]:
    glimmer = Glimmer.from_preset(preset)
    return PassageEncoder(glimmer, tokens_per_batch), memory_fingerprint(glimmer)
