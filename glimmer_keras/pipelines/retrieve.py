from __future__ import annotations

import logging
import os
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import keras_hub
import numpy as np

from glimmer_keras.data import Corpus, Passage, RetrievedWriter, Task, read_retrieved
from glimmer_keras.memory import MemoryStore
from glimmer_keras.pipelines.length_batches import TOKENS_PER_BATCH
from glimmer_keras.pipelines.passage_filter import allowed_rows, plain
from glimmer_keras.pipelines.text_vectors import TextVectors
from glimmer_keras.retrieval import (
    BM25Retriever,
    DenseRetriever,
    FaissIndex,
    Retriever,
    VectorStore,
    vector_store,
)
from glimmer_keras.retrieval.dense_retriever import EXACT
from glimmer_keras.utils.chunks import in_chunks
from glimmer_keras.utils.progress import Progress, track

logger = logging.getLogger("glimmer_keras")

# Questions whose results are kept together.
QUESTIONS_AT_ONCE = 256


class CorpusRetriever(Retriever, Protocol):
    """A retriever that knows its corpus, by a fingerprint or an empty one, and its own settings."""

    @property
    def fingerprint(self) -> str: ...

    @property
    def settings(self) -> Mapping[str, Any]: ...


def bm25_index(
    passages: MemoryStore | Corpus, path: str | Path | None = None, progress: bool = True
) -> BM25Retriever:
    """Build BM25 over passages once and keep it on disk; build it again when they have changed.

    Args:
        passages: A memory store, its deleted passages left out, or a corpus.
        path: Folder to keep the index in. By default `{store.path}.bm25` beside a store, and for
            a corpus it is not kept.
        progress: Whether to show progress bars in a terminal.

    Raises:
        ValueError: If there is no `path` for a store at a URL, or it holds something else.
        OSError: If the index cannot be written.
    """
    fingerprint = _fingerprint(passages)
    path = _index_path(passages, path, ".bm25")
    if path is not None and Path(path).exists():
        if not BM25Retriever.is_index(path):
            raise ValueError(
                f"`path` must be an index, or not be there. Received: path={str(path)!r}"
            )
        try:
            return BM25Retriever.load(path, fingerprint=fingerprint)
        except ValueError:
            logger.info("%s is not of the passages that are there now", path)
    texts = track(_each_passage(passages), "Reading", "passages", len(passages), progress)
    index = BM25Retriever.build(texts, fingerprint=fingerprint)
    if path is not None:
        try:
            index.save(path, overwrite=True)
        except OSError as error:
            raise OSError(
                f"{path} cannot be written ({error}); `path` (--index) keeps the index elsewhere"
            ) from error
        logger.info("Built %s over %d passages", path, len(index))
    return index


def dense_index(
    passages: MemoryStore | Corpus,
    embedder: keras_hub.models.TextEmbedder,
    path: str | Path | None = None,
    *,
    index: str = "exact",
    parameters: str = "",
    dtype: str = "float16",
    tokens_per_batch: int = TOKENS_PER_BATCH,
    progress: bool = True,
) -> DenseRetriever:
    """Make a dense retriever over passages, whose vectors are computed once and kept.

    Killed and called again it goes on with the first 1024 passages that are not written.

    Args:
        passages: A memory store, its deleted passages left out, or a corpus. `title: text` is
            embedded.
        embedder: Embeds passages and questions, a `TextEmbedder` of ours or KerasHub's.
        path: Local path or URL to keep the vectors at. By default `{store.path}.dense` beside a
            store, and for a corpus they are not kept.
        index: `"exact"`, or an index of FAISS such as `"HNSW32"`: see `FaissIndex.build`.
        parameters: Parameters of searches in it, such as `"efSearch=64"`.
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
        "fingerprint": _fingerprint(passages),
        "encoder_fingerprint": encode.fingerprint,
    }
    path = _index_path(passages, path, ".dense")
    size = len(passages), encode.dim
    if path is None:
        vectors = np.empty(size, "float32")
        starts = set(range(0, len(passages), vector_store.CHUNK))
        _embed(passages, encode, vectors, starts, progress)
        searched = None if index == EXACT else FaissIndex.build(vectors, index, parameters)
        return DenseRetriever(vectors, encode, searched, **made_of)
    store = VectorStore.create(path, *size, dtype, **made_of)
    if not store.is_complete:
        missing = {rows.start for rows in store.missing_chunks()}
        _embed(passages, encode, store, missing, progress)
        store.complete()
        logger.info("Embedded %d passages to %s", len(store), path)
    return DenseRetriever.load(path, encode, index=index, parameters=parameters, **made_of)


def retrieve(tasks: Sequence[Task], retriever: Retriever, num_passages: int) -> list[Task]:
    """Give the tasks the rows of the `num_passages` best passages, best first.

    They are in memory only; `write_retrieved` keeps them on disk.
    """
    retrieved = []
    for task in tasks:
        start = time.perf_counter()
        rows, _ = retriever.search([example.question for example in task], num_passages)
        logger.info(
            "Retrieved %d passages for %d questions of %s in %.1f s",
            num_passages,
            len(task),
            task.name,
            time.perf_counter() - start,
        )
        retrieved.append(task.with_retrieved(rows))
    return retrieved


def write_retrieved(
    retriever: CorpusRetriever,
    task: Task,
    corpus: Corpus,
    path: str | os.PathLike[str],
    num_passages: int,
    progress: bool = True,
    where: Mapping[str, str | Collection[str]] | None = None,
) -> Task:
    """Retrieve for a task once, and keep the rows and scores on disk; see `RetrievedWriter`.

    Interrupted and called again with the same arguments it goes on where it was, at most 256
    questions before; called again after that, it reads what is there.

    Args:
        retriever: Retriever over the passages of `corpus`, its rows being the corpus's.
        task: The questions.
        corpus: The passages.
        path: Folder of the task's results.
        num_passages: Passages of each question.
        progress: Whether to show a progress bar in a terminal.
        where: Which passages may be found: for each of their fields the value, or values.

    Returns:
        The task with the rows, memory-mapped.

    Raises:
        FileExistsError: If `path` holds results of something else.
        ValueError: If the retriever is of another corpus.
    """
    fingerprint = retriever.fingerprint
    if len(retriever) != len(corpus) or fingerprint not in ("", corpus.fingerprint):
        raise ValueError(
            f"`retriever` must be of `corpus`, of {len(corpus)} passages and fingerprint "
            f"{corpus.fingerprint[:16]}. Received: {len(retriever)} passages, {fingerprint[:16]!r}"
        )
    settings = dict(retriever.settings)
    if where is not None:
        settings["where"] = plain(where)
    writer = RetrievedWriter(path, task, corpus, num_passages, settings)
    if writer.complete:
        return read_retrieved(path, task, corpus)
    allowed = [] if where is None else [allowed_rows(corpus, where)]
    with Progress(f"Retrieving for {task.name}", len(task), "questions", progress) as shown:
        for start in range(writer.done, len(task), QUESTIONS_AT_ONCE):
            questions = [example.question for example in task[start : start + QUESTIONS_AT_ONCE]]
            writer.write(*retriever.search(questions, num_passages, *allowed))
            shown.advance(len(questions))
    writer.finish()
    return read_retrieved(path, task, corpus)


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
        for chunk in in_chunks(_each_passage(passages), vector_store.CHUNK):
            stop = start + len(chunk)
            if start in missing:
                texts = [passage.content for passage in chunk]
                vectors[start:stop] = encode.passages(texts, shown.advance)
            else:
                shown.advance(len(chunk), computed=False)
            start = stop


def _each_passage(passages: MemoryStore | Corpus) -> Iterator[Passage]:
    """Yield the passages in the order of their rows, deleted ones of a store left out."""
    if isinstance(passages, MemoryStore):
        return (Passage(p.id, p.title, p.text) for p in passages.iter_passages())
    return iter(passages)


def _fingerprint(passages: MemoryStore | Corpus) -> str:
    """Look up what tells these passages from others."""
    return passages.revision if isinstance(passages, MemoryStore) else passages.fingerprint


def _index_path(
    passages: MemoryStore | Corpus, path: str | Path | None, ending: str
) -> str | Path | None:
    """Choose where an index is kept: `path`, or beside a store on a local disk, or nowhere.

    It is kept nowhere either, and the log says so, where the store's folder cannot be written in.

    Raises:
        ValueError: If there is no `path` for a store at a URL.
    """
    if path is not None or not isinstance(passages, MemoryStore):
        return path
    if "://" in passages.path:
        raise ValueError(
            "`path` of an index must be given for a store that is not on a local disk. "
            f"Received: path=None for {passages.path}"
        )
    beside = Path(f"{passages.path.rstrip('/')}{ending}")
    if not beside.exists() and not os.access(beside.absolute().parent, os.W_OK):
        logger.warning(
            "%s cannot be written: the index is made anew each time; `path` (--index) keeps it "
            "elsewhere",
            beside,
        )
        return None
    return str(beside)
