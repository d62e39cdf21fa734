from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Protocol

from glimmer_keras.data import Corpus, RetrievedWriter, Task, read_retrieved
from glimmer_keras.retrieval import Retriever
from glimmer_keras.utils.progress import Progress

CHUNK = 256


class CorpusRetriever(Retriever, Protocol):
    """A retriever that knows its corpus, by a fingerprint or an empty one, and its own settings."""

    @property
    def fingerprint(self) -> str: ...

    @property
    def settings(self) -> Mapping[str, Any]: ...


def write_retrieved(
    retriever: CorpusRetriever,
    task: Task,
    corpus: Corpus,
    path: str | os.PathLike[str],
    num_passages: int,
    progress: bool = True,
) -> Task:
    """Retrieve for a task once, and keep the rows and scores on disk; see `RetrievedWriter`.

    Interrupted and called again with the same arguments it goes on where it was, at most 256
    questions before; called again after that, it reads what is there.

    Args:
        retriever: Over the passages of `corpus`, its rows being the corpus's.
        task: The questions.
        corpus: The passages.
        path: Folder of the task's results.
        num_passages: Passages of each question.
        progress: Whether to show a progress bar in a terminal.

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
    writer = RetrievedWriter(path, task, corpus, num_passages, retriever.settings)
    if writer.complete:
        return read_retrieved(path, task, corpus)
    with Progress(f"Retrieving for {task.name}", len(task), "questions", progress) as shown:
        for start in range(writer.done, len(task), CHUNK):
            questions = [example.question for example in task[start : start + CHUNK]]
            writer.write(*retriever.search(questions, num_passages))
            shown.advance(len(questions))
    writer.finish()
    return read_retrieved(path, task, corpus)
