from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from itertools import zip_longest
from typing import Any

from glimmer_keras.data import Passage
from glimmer_keras.memory import MemoryStore, StoredPassage
from glimmer_keras.models import Glimmer, memory_fingerprint
from glimmer_keras.pipelines.check_passages import check_passages, check_repeatable, in_chunks
from glimmer_keras.pipelines.encode_shards import encode_shards
from glimmer_keras.pipelines.passage_encoder import TOKENS_PER_BATCH, PassageEncoder
from glimmer_keras.utils.progress import Progress

logger = logging.getLogger("glimmer_keras")


def encode_corpus(
    glimmer: Glimmer,
    corpus: Iterable[Passage],
    path: str | os.PathLike[str],
    dtype: str = "int8",
    shard_size: int = 1024,
    tokens_per_batch: int = TOKENS_PER_BATCH,
    progress: bool = True,
) -> MemoryStore:
    """Compute the memory of a corpus and keep it in a store.

    Killed and called again with the same arguments it goes on where it was, with the first shard
    that is not written, and the store is the same byte for byte. Passages are cut to the
    `passage_length` of the model's preprocessor; the log tells how many were.

    Args:
        glimmer: A model with a preprocessor.
        corpus: Passages with distinct ids. It is iterated twice, and may be larger than memory:
            see `data.PassageFile`.
        path: Local path or URL of the new store.
        dtype: `"int8"`, `"bfloat16"` or `"float32"`.
        shard_size: Passages that are encoded and written together. Memory grows with it.
        tokens_per_batch: Tokens that go through the model together.
        progress: Whether to show a progress bar in a terminal.

    Returns:
        The store. If a complete store of these passages, this model and these settings is
        there already, that one.

    Raises:
        FileExistsError: If there is another complete store.
        ValueError: If passages share an id or there are none, a file they are read from is
            broken, or there is an unfinished store of other settings.
        OSError: If the disk is full or cannot be written. What is written so far is kept.
    """
    encoder = PassageEncoder(glimmer, tokens_per_batch)
    settings = {
        "hidden_dim": glimmer.backbone.hidden_dim,
        "passage_length": encoder.passage_length,
        "dtype": dtype,
        "shard_size": shard_size,
        "fingerprint": memory_fingerprint(glimmer),
    }
    check_repeatable(corpus)
    store = complete_store(path, settings, corpus)
    if store is None:
        count = check_passages(corpus)
        writer = MemoryStore.create(path, **settings)
        with Progress("Encoding", count, "passages", progress) as shown:
            shards = enumerate(in_chunks(corpus, shard_size))
            report = encode_shards(encoder, shards, writer, shown.advance)
        writer.complete(-(-count // shard_size))
        report.log(encoder.passage_length)
        store = MemoryStore.open(path)
    return store


def complete_store(
    path: str | os.PathLike[str], settings: dict[str, Any], corpus: Iterable[Passage]
) -> MemoryStore | None:
    """The store that is to be made, if it is there already; another one is an error."""
    try:
        store = MemoryStore.open(path)
    except FileNotFoundError:
        return None
    info = store.info()
    if {name: info[name] for name in settings} != settings or not same_passages(
        store.iter_passages(), corpus
    ):
        raise FileExistsError(
            "`path` must hold no complete store of other passages, another model or other "
            f"settings. Received: path={store.path!r}"
        )
    logger.info("%s is complete: there is nothing to do", store.path)
    return store


def same_passages(stored: Iterable[StoredPassage], passages: Iterable[Passage]) -> bool:
    """Whether these are the stored passages, all of them in their order."""
    return all(
        old is not None and new is not None and old == StoredPassage(new.id, new.title, new.text)
        for old, new in zip_longest(stored, passages)
    )
