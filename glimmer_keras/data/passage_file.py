import itertools
import os
import warnings
from collections.abc import Iterator
from typing import NamedTuple

from glimmer_keras.data.formats import reader
from glimmer_keras.data.jsonl import read_lines
from glimmer_keras.data.passage import Passage


class Place(NamedTuple):
    """Where a passage is in a file.

    Args:
        line: Number of its line, from 1.
        offset: Where the line begins, in bytes before compression.
        part: Number of the passage within the line, from 0.
    """

    line: int = 1
    offset: int = 0
    part: int = 0


START = Place()


class PassageFile:
    """The passages of a file in their order, read anew each time and never held all at once.

    A corpus has lines of `{"id", "title", "text"}`; the title may be left out. KILT's knowledge
    source has lines of `{"wikipedia_id", "wikipedia_title", "text": [paragraph, ...]}`, with
    `_id` for a missing `wikipedia_id`. Its pages are cut into passages; passage `n` of a page,
    from 0, has the id `{wikipedia_id}-{n}` and remembers its paragraphs, and pages without text
    are left out.

    Args:
        path: A `.jsonl` file, or `.jsonl.gz`.
        format: `"passages"` for a corpus, or `"knowledge_source"`.
        max_words: Greatest number of words in a passage of a knowledge source.
        knowledge_source: Deprecated; `format` says it.

    Raises:
        FileNotFoundError: If there is no such file, when it is read.
        ValueError: If there is no such format; naming file and line, if a record is broken or the
            file holds no passage, when it is read.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        format: str = "passages",
        max_words: int = 200,
        *,
        knowledge_source: bool = False,
    ) -> None:
        if knowledge_source:
            warnings.warn(
                "`knowledge_source=True` is `format='knowledge_source'` now; the old name goes "
                "with the next release",
                DeprecationWarning,
                stacklevel=2,
            )
            format = "knowledge_source"
        reader("corpus", format)  # Raises if there is none.
        if max_words < 1:
            raise ValueError(f"`max_words` must be at least 1. Received: max_words={max_words}")
        self.path = os.fspath(path)
        self.format = format
        self.max_words = max_words

    def __repr__(self) -> str:
        return f"PassageFile({self.path!r}, {self.format!r})"

    def __iter__(self) -> Iterator[Passage]:
        return (passage for _, passage in self.located())

    def located(self, start: Place = START) -> Iterator[tuple[Place, Passage]]:
        """Yield the passages with their places, from one place on."""
        passages_of = reader("corpus", self.format)
        is_empty = True
        for line in read_lines(self.path, start.line, start.offset):
            passages = passages_of(line.record, line.where, self.max_words)
            for part, passage in enumerate(passages):
                if line.number > start.line or part >= start.part:
                    is_empty = False
                    yield Place(line.number, line.offset, part), passage
        if is_empty:
            raise ValueError(
                f"{self.path}: must hold at least one passage with text. Received: 0 passages"
            )

    def read(self, start: Place, number: int) -> list[Passage]:
        """Read at most `number` passages from a place on."""
        return [passage for _, passage in itertools.islice(self.located(start), number)]
