import itertools
import logging
import os
import warnings
from collections.abc import Iterator
from typing import NamedTuple

from glimmer_keras.data.formats import find_format, reader
from glimmer_keras.data.passage import Passage
from glimmer_keras.data.records import SHAPES, Columns, read_any, shape_of
from glimmer_keras.utils.checks import check_integer

logger = logging.getLogger("glimmer_keras")

COLUMNS = Columns(
    frozenset({"id", "_id", "title", "text", "contents", "wikipedia_title"}),
    {2: ("id", "text"), 3: ("id", "text", "title")},
)
OURS = ("lines", "passages")  # goes without saying


class Place(NamedTuple):
    """Where a passage is in a file.

    Args:
        line: Number of its line or record, from 1.
        offset: Where the line begins, in bytes before compression.
        part: Number of the passage within the record, from 0.
    """

    line: int = 1
    offset: int = 0
    part: int = 0


START = Place()


class PassageFile:
    """The passages of a file in their order, read anew each time and never held all at once.

    The file is of JSON lines, a JSON list, TSV, CSV, Parquet or Arrow, plain or compressed by gzip,
    xz, bzip2 or Zstandard. A record of it is a passage, by its fields of one of these formats:

    - `"passages"`: `{"id", "title", "text"}`; the title may be left out. A table without a header
      has these columns: id, text, and perhaps title.
    - `"beir"`: `{"_id", "title", "text"}`, likewise.
    - `"pyserini"`: `{"id", "contents"}`, the first of several lines being the title.
    - `"knowledge_source"`: a page of KILT, `{"wikipedia_id", "wikipedia_title", "text":
      [paragraph, ...]}`, with `_id` for a missing `wikipedia_id`. It is cut into passages; passage
      `n` of a page, from 0, has the id `{wikipedia_id}-{n}` and remembers its paragraphs, and pages
      without text are left out.

    Args:
        path: The file.
        format: One of these; `None` for that of the first record.
        max_words: Greatest number of words in a passage of a knowledge source.
        knowledge_source: Deprecated; `format` says it.

    Raises:
        FileNotFoundError: If there is no such file, when it is read.
        ImportError: If it is of a kind that needs an extra, which is named, when it is read.
        ValueError: If there is no such format; naming the place, if a record is broken; or if the
            file holds no passage, when it is read.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        format: str | None = None,
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
        if format is not None:
            reader("corpus", format)  # Raises if there is none.
        check_integer("max_words", max_words)
        self.path = os.fspath(path)
        self.format = format
        self.max_words = max_words

    def __repr__(self) -> str:
        return f"PassageFile({self.path!r}, {self.format!r})"

    def __iter__(self) -> Iterator[Passage]:
        return (passage for _, passage in self.located())

    def located(self, start: Place = START) -> Iterator[tuple[Place, Passage]]:
        """Yield the passages with their places, from one place on."""
        shape = shape_of(self.path, COLUMNS)
        is_empty = True
        for line in read_any(self.path, COLUMNS, start.line, start.offset, shape):
            if self.format is None:
                self.format = find_format("corpus", line.record, line.where).name
                if (shape, self.format) != OURS:
                    logger.info("%s: %s, format %s", self.path, SHAPES[shape], self.format)
            passages = reader("corpus", self.format)(line.record, line.where, self.max_words)
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
