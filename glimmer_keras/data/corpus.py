import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import overload

from glimmer_keras.data.example import Example
from glimmer_keras.data.passage import Passage
from glimmer_keras.data.provenance import Provenance


class Corpus(Sequence[Passage]):
    """The passages that can be retrieved, in a fixed order: passage `i` is row `i`.

    Args:
        passages: At least one, with distinct identifiers.

    Raises:
        ValueError: If there is no passage, or two share an identifier.
    """

    def __init__(self, passages: Iterable[Passage]) -> None:
        self._passages = list(passages)
        if not self._passages:
            raise ValueError("`passages` must hold at least one passage. Received: 0 passages")
        self._rows: dict[str, int] = {}
        self._pages: dict[str, list[int]] = {}
        for row, passage in enumerate(self._passages):
            if not isinstance(passage, Passage):
                raise TypeError(
                    f"`passages` must be `Passage`s. Received: {type(passage).__name__} at {row}"
                )
            other = self._rows.setdefault(passage.id, row)
            if other != row:
                raise ValueError(
                    "`passages` must have distinct ids. "
                    f"Received: id={passage.id!r} at rows {other} and {row}"
                )
            if passage.page_id:
                self._pages.setdefault(passage.page_id, []).append(row)

    def __len__(self) -> int:
        return len(self._passages)

    @overload
    def __getitem__(self, row: int) -> Passage: ...
    @overload
    def __getitem__(self, row: slice) -> list[Passage]: ...
    def __getitem__(self, row: int | slice) -> Passage | list[Passage]:
        return self._passages[row]

    def __iter__(self) -> Iterator[Passage]:
        return iter(self._passages)

    def __repr__(self) -> str:
        first = self[0]
        return f"{type(self).__name__}({len(self)} passages, first: {first.id!r} {first.title!r})"

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of all the passages in their order, in hexadecimal."""
        digest = hashlib.sha256()
        for passage in self._passages:
            digest.update(passage_line(passage))
        return digest.hexdigest()

    def row(self, passage_id: str) -> int:
        """Look up the row of the passage with this identifier.

        Raises:
            ValueError: If there is none.
        """
        row = self._row(passage_id)
        if row < 0:
            raise ValueError(
                "`passage_id` must be the id of a passage of the corpus. "
                f"Received: passage_id={passage_id!r}"
            )
        return row

    def rows_of(self, provenance: Provenance) -> tuple[int, ...]:
        """Look up the rows that a provenance points at, ascending; none where the corpus has none.

        A page with a stretch of paragraphs gives the passages that overlap it, a page alone
        gives all its passages.
        """
        if provenance.passage_id:
            row = self._row(provenance.passage_id)
            return () if row < 0 else (row,)
        rows = self._page_rows(provenance.page_id)
        first, last = provenance.first_paragraph, provenance.last_paragraph
        if first < 0:
            return tuple(rows)
        last = max(first, last)
        return tuple(row for row in rows if _overlaps(self[row], first, last))

    def evidence_rows(self, example: Example) -> tuple[frozenset[int], ...]:
        """Look up the alternative evidence sets of an example as sets of rows, distinct, in order.

        A set is left out when the corpus lacks one of its pieces.
        """
        alternatives: dict[frozenset[int], None] = {}
        for pieces in example.evidence:
            rows = [self.rows_of(piece) for piece in pieces]
            if rows and all(rows):
                alternatives[frozenset(row for piece in rows for row in piece)] = None
        return tuple(alternatives)

    def _row(self, passage_id: str) -> int:
        """Look up the row of the passage with this identifier, -1 if there is none."""
        return self._rows.get(passage_id, -1)

    def _page_rows(self, page_id: str) -> Sequence[int]:
        """Look up the rows of the passages of a page, ascending."""
        return self._pages.get(page_id, [])


def passage_line(passage: Passage) -> bytes:
    """Encode a passage as the line of JSON of the fingerprint and of a `DiskCorpus`."""
    p = passage
    kept = [p.id, p.title, p.text, p.page_id, p.first_paragraph, p.last_paragraph]
    more = [p.fields] if p.fields else []
    return json.dumps(kept + more).encode() + b"\n"


def passage_of_line(line: bytes) -> Passage:
    """Decode what `passage_line` gave."""
    kept = json.loads(line)
    if len(kept) == 7:
        kept[6] = tuple(map(tuple, kept[6]))
    return Passage(*kept)


def _overlaps(passage: Passage, first: int, last: int) -> bool:
    """Tell whether a passage has some of the paragraphs from `first` to `last`."""
    return passage.first_paragraph <= last and passage.last_paragraph >= first
