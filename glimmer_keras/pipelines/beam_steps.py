"""What Beam's workers do. Imports Apache Beam, and is imported only when that is there."""

from __future__ import annotations

import threading
from functools import lru_cache
from typing import Any

import apache_beam as beam

from glimmer_keras.data import PassageFile
from glimmer_keras.data.passage_file import Place
from glimmer_keras.memory import MemoryStore
from glimmer_keras.models import Glimmer, memory_fingerprint
from glimmer_keras.pipelines.encode_shards import EncodingReport, encode_shards
from glimmer_keras.pipelines.passage_encoder import PassageEncoder

# A shard's number, and where its first passage is.
Task = tuple[int, Place]

_loading = threading.Lock()


class EncodeShard(beam.DoFn):
    """Encodes and writes one shard, if it is not written yet.

    Args:
        preset: Of the model.
        corpus: What the shards are of.
        path: Of the store.
        settings: Of the store, as `MemoryStore.create` takes them.
        tokens_per_batch: See `PassageEncoder`.
    """

    def __init__(
        self,
        preset: str,
        corpus: PassageFile,
        path: str,
        settings: dict[str, Any],
        tokens_per_batch: int,
    ) -> None:
        self.preset = preset
        self.corpus = corpus
        self.path = path
        self.settings = settings
        self.tokens_per_batch = tokens_per_batch

    def setup(self) -> None:
        with _loading:  # A worker may have several threads, each with its own `EncodeShard`.
            self.encoder, fingerprint = _load(self.preset, self.tokens_per_batch)
        settings = {**self.settings, "fingerprint": fingerprint}
        # Compares with the settings that were noted when the work began.
        self.writer = MemoryStore.create(self.path, **settings)

    def process(self, task: Task) -> list[EncodingReport]:
        number, place = task
        passages = self.corpus.read(Place(*place), self.writer.shard_size)
        return [encode_shards(self.encoder, [(number, passages)], self.writer)]


class Complete(beam.DoFn):
    """Completes the store when all shards are written; the runner may call it again."""

    def __init__(self, path: str, settings: dict[str, Any], num_shards: int) -> None:
        self.path = path
        self.settings = settings
        self.num_shards = num_shards

    def process(self, report: EncodingReport) -> None:
        try:
            MemoryStore.create(self.path, **self.settings).complete(self.num_shards)
        except FileExistsError:
            MemoryStore.open(self.path, self.settings["fingerprint"])
        report.log(self.settings["passage_length"])


def add_reports(reports: Any) -> EncodingReport:
    """The sum of what workers report."""
    total = EncodingReport()
    for report in reports:
        for name in vars(total):
            setattr(total, name, getattr(total, name) + getattr(report, name))
    return total


@lru_cache(maxsize=1)
def _load(preset: str, tokens_per_batch: int) -> tuple[PassageEncoder, dict[str, str]]:
    glimmer = Glimmer.from_preset(preset)
    return PassageEncoder(glimmer, tokens_per_batch), memory_fingerprint(glimmer)
