from __future__ import annotations

import logging
import os
from collections.abc import Iterable

from glimmer_keras.data import Passage
from glimmer_keras.memory import MemoryStore
from glimmer_keras.models import Glimmer, memory_fingerprint
from glimmer_keras.pipelines.check_passages import CHUNK, check_passages, in_chunks
from glimmer_keras.pipelines.encode_corpus import same_passages
from glimmer_keras.pipelines.encode_shards import encode_shards
from glimmer_keras.pipelines.passage_encoder import TOKENS_PER_BATCH, PassageEncoder
from glimmer_keras.utils.progress import Progress

logger = logging.getLogger("glimmer_keras")


def append_corpus(
    glimmer: Glimmer,
    corpus: Iterable[Passage],
    store: MemoryStore | str | os.PathLike[str],
    tokens_per_batch: int = TOKENS_PER_BATCH,
    progress: bool = True,
) -> MemoryStore:
    """Compute the memory of further passages and add them to a store, all of them or none.

    It goes on where it was killed, as `encode_corpus` does. Those who have the store open see
    the passages after opening it again.

    Args:
        glimmer: The model that the store was made with.
        corpus: Passages with ids that are new to the store, as for `encode_corpus`.
        store: The store, or its path or URL.
        tokens_per_batch: Tokens that go through the model together.
        progress: Whether to show a progress bar in a terminal.

    Returns:
        The store with the passages. If it holds all of them already, it is left as it is.

    Raises:
        FileNotFoundError: If there is no complete store.
        ValueError: If the store was made with another model, tokenizer or passage length (the
            message names which), or an id is there twice or in the store.
        OSError: If the disk is full or cannot be written. The store is as it was.
    """
    path = store.path if isinstance(store, MemoryStore) else store
    encoder = PassageEncoder(glimmer, tokens_per_batch)
    store = MemoryStore.open(path, memory_fingerprint(glimmer))
    count = check_passages(corpus)
    if _holds(store, corpus):
        logger.info("%s holds these passages: there is nothing to do", store.path)
        return store
    writer = store.appender()
    with Progress("Encoding", count, "passages", progress) as shown:
        shards = enumerate(in_chunks(corpus, writer.shard_size))
        report = encode_shards(encoder, shards, writer, shown.advance)
    writer.complete(-(-count // writer.shard_size))
    report.log(encoder.passage_length)
    return MemoryStore.open(path)


def _holds(store: MemoryStore, corpus: Iterable[Passage]) -> bool:
    """Whether a store holds all passages of a corpus; to hold some of them is an error."""
    held = None
    for chunk in in_chunks(corpus, CHUNK):
        ids = [passage.id for passage in chunk]
        known = store.contains(ids)
        held = bool(known[0]) if held is None else held
        if held and known.all() and same_passages(store.passages(ids), chunk):
            continue
        if known.any() or held:
            first = ids[known.argmax()] if known.any() else None
            raise ValueError(
                f"`corpus` must have ids that are new to {store.path}. Received: id={first!r}"
            )
    return bool(held)
