import itertools
import os
from collections.abc import Iterator
from typing import NamedTuple

from glimmer_keras.data.jsonl import Record, read_lines, take, take_id
from glimmer_keras.data.pages import split_page
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
        knowledge_source: Whether it is a knowledge source.
        max_words: Greatest number of words in a passage of a knowledge source; see `split_page`.

    Raises:
        FileNotFoundError: If there is no such file, when it is read.
        ValueError: Naming file and line, if a record is broken or the file holds no passage,
            when it is read.
    """

    def __init__(
        self, path: str | os.PathLike[str], knowledge_source: bool = False, max_words: int = 200
    ) -> None:
        if max_words < 1:
            raise ValueError(f"`max_words` must be at least 1. Received: max_words={max_words}")
        self.path = os.fspath(path)
        self.knowledge_source = knowledge_source
        self.max_words = max_words

    def __repr__(self) -> str:
        words = f", knowledge source, {self.max_words} words" if self.knowledge_source else ""
        return f"PassageFile({self.path!r}{words})"

    def __iter__(self) -> Iterator[Passage]:
        return (passage for _, passage in self.located())

    def located(self, start: Place = START) -> Iterator[tuple[Place, Passage]]:
        """Passages with their places, from one on."""
        found = False
        for line in read_lines(self.path, start.line, start.offset):
            for part, passage in enumerate(self._passages(line.record, line.where)):
                if line.number > start.line or part >= start.part:
                    found = True
                    yield Place(line.number, line.offset, part), passage
        if not found:
            what = "page with text" if self.knowledge_source else "passage"
            raise ValueError(f"{self.path}: must hold at least one {what}. Received: 0 passages")

    def read(self, start: Place, number: int) -> list[Passage]:
        """At most `number` passages from a place on."""
        return [passage for _, passage in itertools.islice(self.located(start), number)]

    def _passages(self, record: Record, where: str) -> Iterator[Passage]:
        if not self.knowledge_source:
            titled = record.get("title") is not None
            title = take(record, "title", str, where) if titled else ""
            passage_id = take_id(record, "id", where)
            if not passage_id:
                raise ValueError(f"{where}: field `id` must not be empty. Received: id=''")
            yield Passage(passage_id, title, take(record, "text", str, where))
            return
        page_id = take_id(record, "wikipedia_id" if "wikipedia_id" in record else "_id", where)
        title = take(record, "wikipedia_title", str, where)
        paragraphs = take(record, "text", list, where)
        if not all(isinstance(paragraph, str) for paragraph in paragraphs):
            raise ValueError(f"{where}: field `text` must be a list of strings")
        pieces = split_page(paragraphs, title, self.max_words)
        for number, (text, first, last) in enumerate(pieces):
            yield Passage(f"{page_id}-{number}", title, text, page_id, first, last)
