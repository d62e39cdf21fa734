"""What is indexed for retrieval: the passages of a memory store, or of a corpus."""

from collections.abc import Iterator
from pathlib import Path

from glimmer_keras.data import Corpus, Passage
from glimmer_keras.memory import MemoryStore


def each_passage(passages: MemoryStore | Corpus) -> Iterator[Passage]:
    """All of them in the order of their rows, deleted ones of a store left out."""
    if isinstance(passages, MemoryStore):
        return (Passage(p.id, p.title, p.text) for p in passages.iter_passages())
    return iter(passages)


def revision(passages: MemoryStore | Corpus) -> str:
    """Tells these passages from others."""
    return passages.revision if isinstance(passages, MemoryStore) else passages.fingerprint


def index_path(
    passages: MemoryStore | Corpus, path: str | Path | None, ending: str
) -> str | Path | None:
    """Where an index is kept: `path`, or beside a store on a local disk, or nowhere.

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
    return f"{passages.path.rstrip('/')}{ending}"
