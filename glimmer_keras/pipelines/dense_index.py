import logging
from pathlib import Path
from typing import Any

import numpy as np

from glimmer_keras.data import Corpus
from glimmer_keras.memory import MemoryStore
from glimmer_keras.models import TextEmbedder
from glimmer_keras.pipelines.check_passages import in_chunks
from glimmer_keras.pipelines.indexed_passages import each_passage, index_path, revision
from glimmer_keras.pipelines.passage_encoder import TOKENS_PER_BATCH
from glimmer_keras.pipelines.text_vectors import TextVectors
from glimmer_keras.retrieval import DenseRetriever, FaissIndex, VectorStore, vector_store
from glimmer_keras.retrieval.dense_retriever import EXACT
from glimmer_keras.utils.progress import Progress

logger = logging.getLogger("glimmer_keras")


def dense_index(
    passages: MemoryStore | Corpus,
    embedder: TextEmbedder,
    path: str | Path | None = None,
    *,
    index: str = "exact",
    parameters: str = "",
    dtype: str = "float16",
    tokens_per_batch: int = TOKENS_PER_BATCH,
    progress: bool = True,
) -> DenseRetriever:
    """Dense retrieval over passages, whose vectors are computed once and kept.

    Killed and called again it goes on with the first 1024 passages that are not written.

    Args:
        passages: Those of a memory store, deleted ones left out, or of a corpus. `title: text` is
            embedded.
        embedder: Embeds passages and questions.
        path: Local path or URL to keep the vectors at. By default `{store.path}.dense` beside a
            store, and for a corpus they are not kept.
        index: `"exact"`, or an index of FAISS such as `"HNSW32"`: see `FaissIndex.build`.
        parameters: Of searches in it, such as `"efSearch=64"`.
        dtype: `"float16"` or `"float32"`, of vectors that are kept.
        tokens_per_batch: Tokens that go through the embedder together.
        progress: Whether to show a progress bar in a terminal.

    Raises:
        FileExistsError: If there are vectors of other passages, another embedder or type, which
            are not written over.
        ImportError: If `index` is of FAISS and that is not installed.
        ValueError: If there is no `path` for a store at a URL, or FAISS knows no such `index`.
        OSError: If the vectors cannot be written. What is written so far is kept.
    """
    encode = TextVectors(embedder, tokens_per_batch)
    if index != EXACT:
        FaissIndex.check(index, encode.dim, parameters)  # before all is embedded
    made_of: dict[str, Any] = {
        "fingerprint": revision(passages),
        "encoder_fingerprint": encode.fingerprint,
    }
    path = index_path(passages, path, ".dense")
    size = len(passages), encode.dim
    if path is None:
        vectors = np.empty(size, "float32")
        _embed(
            passages, encode, vectors, set(range(0, len(passages), vector_store.CHUNK)), progress
        )
        searched = None if index == EXACT else FaissIndex.build(vectors, index, parameters)
        return DenseRetriever(vectors, encode, searched, **made_of)
    store = VectorStore.create(path, *size, dtype, **made_of)
    if not store.is_complete:
        missing = {rows.start for rows in store.missing_chunks()}
        _embed(passages, encode, store, missing, progress)
        store.complete()
        logger.info("Embedded %d passages to %s", len(store), path)
    return DenseRetriever.load(path, encode, index=index, parameters=parameters, **made_of)


def _embed(
    passages: MemoryStore | Corpus,
    encode: TextVectors,
    vectors: np.ndarray | VectorStore,
    missing: set[int],
    progress: bool,
) -> None:
    """Fill in the vectors of the chunks of passages that begin at `missing`."""
    with Progress("Embedding", len(passages), "passages", progress) as shown:
        start = 0
        for chunk in in_chunks(each_passage(passages), vector_store.CHUNK):
            stop = start + len(chunk)
            if start in missing:
                texts = [passage.content for passage in chunk]
                vectors[start:stop] = encode(texts, shown.advance)
            else:
                shown.advance(len(chunk), computed=False)
            start = stop
