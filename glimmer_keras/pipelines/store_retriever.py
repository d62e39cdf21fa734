import logging
from pathlib import Path

from rich.console import Console
from rich.progress import track

from glimmer_keras.memory import MemoryStore
from glimmer_keras.retrieval import BM25Retriever

logger = logging.getLogger("glimmer_keras")


def store_retriever(
    store: MemoryStore, path: str | Path | None = None, progress: bool = True
) -> BM25Retriever:
    """BM25 over the passages of a store, built once, and again when the store has changed.

    Args:
        store: The memory store.
        path: Folder in which the index is kept, by default `{store.path}.bm25`.
        progress: Whether to show progress bars in a terminal.

    Raises:
        ValueError: If `path` is not given for a store at a URL, or holds something else.
        OSError: If the index cannot be written.
    """
    if path is None and "://" in store.path:
        raise ValueError(
            "`path` must be given for the index of a store that is not on a local disk. "
            f"Received: path=None for {store.path}"
        )
    path = Path(f"{store.path.rstrip('/')}.bm25" if path is None else path)
    why = "is not there yet"
    if path.exists():
        if not BM25Retriever.is_index(path):
            raise ValueError(
                f"`path` must be an index, or not be there. Received: path={str(path)!r}"
            )
        try:
            return BM25Retriever.load(path, fingerprint=store.revision)
        except ValueError:
            why = "is not of the passages there are now"
    logger.info("%s %s: building it over %d passages", path, why, len(store))
    console = Console(stderr=True)
    progress = progress and console.is_terminal
    passages = track(
        store.iter_passages(),
        "Reading passages",
        total=len(store),
        console=console,
        transient=True,
        disable=not progress,
    )
    retriever = BM25Retriever.build(
        list(passages), fingerprint=store.revision, show_progress=progress
    )
    retriever.save(path, overwrite=True)
    return retriever
