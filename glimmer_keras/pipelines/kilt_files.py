"""What KILT's evaluator reads of passages: where in its pages each was found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Protocol

from glimmer_keras.data import Corpus, Task
from glimmer_keras.utils.files import write_file


class HasPage(Protocol):
    """A passage that may know where it was cut from."""

    @property
    def id(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def page_id(self) -> str: ...
    @property
    def first_paragraph(self) -> int: ...
    @property
    def last_paragraph(self) -> int: ...


def provenance(passage: HasPage) -> dict[str, Any]:
    """A piece of a KILT `provenance`: page and paragraphs, if they are known, id and title."""
    page: dict[str, Any] = {}
    if passage.page_id:
        page["wikipedia_id"] = passage.page_id
        if passage.first_paragraph >= 0:
            page["start_paragraph_id"] = passage.first_paragraph
            page["end_paragraph_id"] = passage.last_paragraph
    return page | {"passage_id": passage.id, "title": passage.title}


def write_kilt_retrieval(task: Task, corpus: Corpus, path: str | Path) -> None:
    """Write the retrieved passages of a task as KILT predictions without answers, JSON lines.

    Each is `{"id", "output": [{"provenance": [...]}]}`, the best passage first. The file appears
    when all is written.

    Args:
        task: With its retrieved rows.
        corpus: In which they count.
        path: The file, replaced if it is there.

    Raises:
        ValueError: If the task has no retrieved rows.
        OSError: If it cannot be written.
    """
    lines = []
    for example, rows in zip(task, task.rows(slice(None)), strict=True):
        pieces = [provenance(corpus[row]) for row in rows.tolist() if row >= 0]
        line = {"id": example.id, "output": [{"provenance": pieces}]}
        lines.append(json.dumps(line, ensure_ascii=False) + "\n")
    write_file(path, "".join(lines))
