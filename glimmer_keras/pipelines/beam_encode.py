from __future__ import annotations

import os
from collections.abc import Sequence

from glimmer_keras.data import PassageFile
from glimmer_keras.memory import MemoryStore
from glimmer_keras.models import Glimmer, memory_fingerprint
from glimmer_keras.models.fingerprint import check_preprocessor
from glimmer_keras.pipelines.check_passages import check_passages
from glimmer_keras.pipelines.encode_corpus import complete_store
from glimmer_keras.pipelines.passage_encoder import TOKENS_PER_BATCH


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
        corpus: Its file, likewise. Workers of a plain file begin to read at their shards; to
            reach a shard of a gzipped one they have to unpack all before it.
        path: Local path or URL of the new store, likewise.
        dtype: See `encode_corpus`, and so for the next two.
        shard_size: Passages of a shard, which is what one worker does at a time.
        tokens_per_batch: Tokens that go through the model together.
        options: Of Beam's pipeline, such as `["--runner=DirectRunner", "--direct_num_workers=2",
            "--direct_running_mode=multi_processing"]`.

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
    from glimmer_keras.pipelines.beam_steps import Complete, EncodeShard, add_reports

    parsed = PipelineOptions(list(options))
    standard = parsed.view_as(StandardOptions)
    if standard.runner in (None, "DirectRunner"):
        # Beam's "DirectRunner" first tries to fetch another runner from the network, which knows
        # no --direct_num_workers. This is the one that it falls back to.
        standard.runner = "FnApiRunner"
    glimmer = Glimmer.from_preset(preset)
    settings = {
        "hidden_dim": glimmer.backbone.hidden_dim,
        "passage_length": check_preprocessor(glimmer).passage_length,
        "dtype": dtype,
        "shard_size": shard_size,
        "fingerprint": memory_fingerprint(glimmer),
    }
    del glimmer
    store = complete_store(path, settings, corpus)
    if store is not None:
        return store
    check_passages(corpus)
    places = [place for n, (place, _) in enumerate(corpus.located()) if n % shard_size == 0]
    MemoryStore.create(path, **settings)  # Errors of path and settings come here, not in workers.
    path = os.fspath(path)
    encode = EncodeShard(preset, corpus, path, settings, tokens_per_batch)
    pipeline = beam.Pipeline(options=parsed)
    _ = (
        pipeline
        | "Shards" >> beam.Create(list(enumerate(places)))
        | "Spread" >> beam.Reshuffle()
        | "Encode" >> beam.ParDo(encode)
        | "All" >> beam.CombineGlobally(add_reports)
        | "Complete" >> beam.ParDo(Complete(path, settings, len(places)))
    )
    try:
        pipeline.run().wait_until_finish()
    except Exception as error:
        # Its last line is the worker's error, and what is above the way there.
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise ChildProcessError(f"encoding on Apache Beam failed: {reason[-1]}") from error
    return MemoryStore.open(path)
