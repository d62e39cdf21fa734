import logging
from pathlib import Path

from glimmer_keras.data import Corpus
from glimmer_keras.memory import MemoryStore
from glimmer_keras.pipelines.indexed_passages import each_passage, index_path, revision
from glimmer_keras.retrieval import BM25Retriever
from glimmer_keras.utils.progress import track

logger = logging.getLogger("glimmer_keras")


def bm25_index(
    passages: MemoryStore | Corpus, path: str | Path | None = None, progress: bool = True
) -> BM25Retriever:
    """BM25 over passages, built once and kept on disk, and built again when they have changed.

    Args:
        passages: Those of a memory store, deleted ones left out, or of a corpus.
        path: Folder to keep the index in. By default `{store.path}.bm25` beside a store, and for
            a corpus it is not kept.
        progress: Whether to show progress bars in a terminal.

    Raises:
        ValueError: If there is no `path` for a store at a URL, or it holds something else.
        OSError: If the index cannot be written.
    """
    there = revision(passages)
    path = index_path(passages, path, ".bm25")
    if path is not None and Path(path).exists():
        if not BM25Retriever.is_index(path):
            raise ValueError(
                f"`path` must be an index, or not be there. Received: path={str(path)!r}"
            )
        try:
            return BM25Retriever.load(path, fingerprint=there)
        except ValueError:
            logger.info("%s is not of the passages that are there now", path)
    texts = track(each_passage(passages), "Reading", "passages", len(passages), progress)
    index = BM25Retriever.build(texts, fingerprint=there)
    if path is not None:
        index.save(path, overwrite=True)
        logger.info("Built %s over %d passages", path, len(index))
    return index
