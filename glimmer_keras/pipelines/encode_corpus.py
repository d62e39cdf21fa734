from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Iterable
from dataclasses import astuple
from itertools import islice, zip_longest
from typing import IO, Any

import numpy as np

from glimmer_keras.data import Corpus, Passage
from glimmer_keras.memory import MemoryStore, ProductQuantizer, StoredPassage
from glimmer_keras.memory.codebooks import has_codebooks
from glimmer_keras.memory.manifest import Settings
from glimmer_keras.memory.records import hash_ids
from glimmer_keras.models import Glimmer, memory_fingerprint
from glimmer_keras.models.fingerprint import check_preprocessor
from glimmer_keras.pipelines.length_batches import TOKENS_PER_BATCH
from glimmer_keras.pipelines.passage_encoder import PassageEncoder, encode_shards
from glimmer_keras.utils.chunks import in_chunks
from glimmer_keras.utils.location import Location
from glimmer_keras.utils.progress import Progress

logger = logging.getLogger("glimmer_keras")

# Passages that codebooks are learned from: their tokens are as many as FAISS takes, and more.
LEARNED_FROM = 1024
# Passages that are compared together.
PASSAGES_AT_ONCE = 1024
# Bounds the memory that looking for duplicates takes: hashes compared, and kept off the disk.
HASHES_AT_ONCE = 2**21
HASH_BYTES = 16


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
        dtype: As `MemoryStore.create` takes it. Codebooks of product quantisation are learned
            from passages from all over the corpus.
        shard_size: Passages that are encoded and written together. Memory grows with it.
        tokens_per_batch: Tokens that go through the model together.
        progress: Whether to show a progress bar in a terminal.

    Returns:
        The store. If a complete store of these passages, this model and these settings is
        there already, that one.

    Raises:
        ImportError: If FAISS, which learns codebooks, is not installed.
        FileExistsError: If there is another complete store, or another process writes it.
        ValueError: If passages share an id or there are none, a file they are read from is
            broken, or there is an unfinished store of other settings.
        OSError: If the disk is full or cannot be written. What is written so far is kept.
    """
    encoder = PassageEncoder(glimmer, tokens_per_batch)
    settings = store_settings(glimmer, dtype, shard_size)
    check_repeatable(corpus)
    store = complete_store(path, settings, corpus)
    if store is None:
        count = check_passages(corpus)
        quantizer = quantizer_of(encoder, corpus, count, path, settings)
        with Location(path).alone():
            writer = MemoryStore.create(path, **settings, quantizer=quantizer)
            with Progress("Encoding", count, "passages", progress) as shown:
                shards = enumerate(in_chunks(corpus, shard_size))
                report = encode_shards(encoder, shards, writer, shown.advance)
            writer.complete(-(-count // shard_size))
        report.log(encoder.passage_length)
        store = MemoryStore.open(path)
    return store


def append_corpus(
    glimmer: Glimmer,
    corpus: Iterable[Passage],
    store: MemoryStore | str | os.PathLike[str],
    tokens_per_batch: int = TOKENS_PER_BATCH,
    progress: bool = True,
    replace: bool = False,
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
        replace: Whether ids may be in the store: their passages, which may have changed, are
            replaced by these when all are written.

    Returns:
        The store with the passages. If it holds all of them already, it is left as it is.

    Raises:
        FileNotFoundError: If there is no complete store.
        FileExistsError: If another process writes it.
        ValueError: If the store was made with another model, tokenizer or passage length (the
            message names which), or an id is there twice, or in the store and may not be.
        OSError: If the disk is full or cannot be written. The store is as it was.
    """
    path = store.path if isinstance(store, MemoryStore) else store
    encoder = PassageEncoder(glimmer, tokens_per_batch)
    store = MemoryStore.open(path, memory_fingerprint(glimmer))
    count = check_passages(corpus)
    if _holds(store, corpus, replace):
        logger.info("%s holds these passages: there is nothing to do", store.path)
        return store
    with Location(path).alone():
        writer = MemoryStore.open(path).appender(replace)
        with Progress("Encoding", count, "passages", progress) as shown:
            shards = enumerate(in_chunks(corpus, writer.shard_size))
            report = encode_shards(encoder, shards, writer, shown.advance)
        writer.complete(-(-count // writer.shard_size))
    report.log(encoder.passage_length)
    return MemoryStore.open(path)


def store_settings(glimmer: Glimmer, dtype: str, shard_size: int) -> dict[str, Any]:
    """Make the settings of a model's store, as `MemoryStore.create` takes them."""
    return {
        "hidden_dim": glimmer.backbone.memory_dim,
        "passage_length": check_preprocessor(glimmer).passage_length,
        "dtype": dtype,
        "shard_size": shard_size,
        "fingerprint": memory_fingerprint(glimmer),
    }


def quantizer_of(
    encoder: PassageEncoder,
    corpus: Iterable[Passage],
    count: int,
    path: str | os.PathLike[str],
    settings: dict[str, Any],
) -> ProductQuantizer | None:
    """Learn the codebooks of a store; `None` if it has them already, or needs none."""
    checked = Settings(**settings)
    if not checked.is_product or has_codebooks(path):
        return None
    apart = -(-count // LEARNED_FROM)
    tokens = encoder.tokenize(list(islice(corpus, 0, None, apart)))
    memory = np.concatenate([m.astype("float32") for m in encoder.encode(tokens)])
    return ProductQuantizer.learn(memory, checked.stored[1])


def complete_store(
    path: str | os.PathLike[str], settings: dict[str, Any], corpus: Iterable[Passage]
) -> MemoryStore | None:
    """Open the store that is to be made if it is there already, and refuse another one."""
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
    """Tell whether the stored passages are these, all of them in their order."""
    return all(
        old is not None and new is not None and old == StoredPassage(*astuple(new))
        for old, new in zip_longest(stored, passages)
    )


def check_repeatable(corpus: Iterable[Passage]) -> None:
    """Raise a `TypeError` for what cannot be iterated twice."""
    if not isinstance(corpus, Iterable) or isinstance(corpus, str) or iter(corpus) is corpus:
        raise TypeError(
            "`corpus` must give its passages anew each time it is iterated, as a `Corpus`, a list "
            f"or a `PassageFile` does. Received: {type(corpus).__name__}"
        )


def check_passages(corpus: Iterable[Passage]) -> int:
    """Read a corpus once before the long work begins, in memory that does not grow with it.

    Returns:
        How many passages it has.

    Raises:
        TypeError: If it can be read only once, or holds something else than passages.
        ValueError: If it has no passage, or two with one id.
    """
    check_repeatable(corpus)
    if isinstance(corpus, Corpus):
        return len(corpus)
    count = 0
    with tempfile.SpooledTemporaryFile(max_size=HASHES_AT_ONCE * HASH_BYTES) as hashes:
        for chunk in in_chunks(corpus, PASSAGES_AT_ONCE):
            for passage in chunk:
                if not isinstance(passage, Passage):
                    raise TypeError(
                        f"`corpus` must hold `Passage`s. Received: {type(passage).__name__}"
                    )
            hashes.write(hash_ids([passage.id for passage in chunk]).tobytes())
            count += len(chunk)
        if not count:
            raise ValueError("`corpus` must hold at least one passage. Received: 0 passages")
        repeated = _repeated(hashes, count)
    if repeated is not None:
        first, second = repeated
        repeated_id = next(islice(corpus, second, None)).id
        raise ValueError(
            "`corpus` must have distinct ids. "
            f"Received: id={repeated_id!r} in passages {first + 1} and {second + 1}"
        )
    return count


def _repeated(file: IO[bytes], count: int) -> tuple[int, int] | None:
    """Find the places of two equal hashes in a file, `None` if there are none.

    Each pass over the file compares those that fall into one part of the range of hashes.
    """
    parts = -(-count // HASHES_AT_ONCE)
    for part in range(parts):
        file.seek(0)
        hashes_of_part, places_of_part = [], []
        for start in range(0, count, HASHES_AT_ONCE):
            block = np.frombuffer(file.read(HASHES_AT_ONCE * HASH_BYTES), "<u8").reshape(-1, 2)
            places = np.flatnonzero(block[:, 0] % np.uint64(parts) == part)
            hashes_of_part.append(block[places])
            places_of_part.append(places + start)
        hashes, numbers = np.concatenate(hashes_of_part), np.concatenate(places_of_part)
        order = np.lexsort((numbers, hashes[:, 1], hashes[:, 0]))
        same = np.flatnonzero((hashes[order[1:]] == hashes[order[:-1]]).all(-1))
        if len(same):
            return int(numbers[order[same[0]]]), int(numbers[order[same[0] + 1]])
    return None


def _holds(store: MemoryStore, corpus: Iterable[Passage], replace: bool) -> bool:
    """Tell whether a store holds all passages of a corpus.

    To hold some of them, or others of their ids, is an error unless they may be replaced.
    """
    holds = None
    for chunk in in_chunks(corpus, PASSAGES_AT_ONCE):
        ids = [passage.id for passage in chunk]
        known = store.contains(ids)
        holds = bool(known[0]) if holds is None else holds
        if holds and known.all() and same_passages(store.passages(ids), chunk):
            continue
        if replace:
            return False
        if known.any() or holds:
            first = ids[known.argmax()] if known.any() else None
            raise ValueError(
                f"`corpus` must have ids that are new to {store.path}. Received: id={first!r}"
            )
    return bool(holds)
