"""Passages as token ids in files, and where in them there is something to ask for."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, groupby
from pathlib import Path
from typing import Any

import numpy as np
import sentencepiece

from glimmer_keras.data import Passage, PassageFile
from glimmer_keras.utils.files import new_folder, write_file
from glimmer_keras.utils.progress import Progress
from recipes.pretraining.spans import SENTENCE, SPAN

# One number a line of each file; `starts` of a passage's part in the file that they are named for.
COLUMNS = {
    "tokens": "uint16",
    "token_starts": "int64",
    "title_lengths": "uint16",
    "sentences": "uint16",
    "sentence_starts": "int64",
    "spans": "uint16",
    "span_starts": "int64",
    "recurring": "int64",
}
TYPECODES = {"uint16": "H", "int64": "q"}
PAIRS_A_PASSAGE = 8


class Text:
    """Passages that `prepare` wrote, mapped into memory.

    Args:
        folder: Where they are.
    """

    def __init__(self, folder: Path) -> None:
        columns = {
            name: np.memmap(folder / f"{name}.bin", kind, "r") for name, kind in COLUMNS.items()
        }
        self.about = json.loads((folder / "about.json").read_text())
        self.tokens, self.token_starts = columns["tokens"], columns["token_starts"]
        self.title_lengths = columns["title_lengths"]
        self._sentences, self._sentence_starts = columns["sentences"], columns["sentence_starts"]
        self._spans, self._span_starts = columns["spans"].reshape(-1, 2), columns["span_starts"]
        self.recurring = columns["recurring"].reshape(-1, 4)

    def __len__(self) -> int:
        return len(self.title_lengths)

    def passage(self, row: int) -> list[int]:
        """Token ids of a title and a text, without an end token."""
        return self.tokens[self.token_starts[row] : self.token_starts[row + 1]].tolist()

    def spans(self, row: int) -> np.ndarray:
        """First token, and token behind the last, of what may be asked for: `(spans, 2)`."""
        return self._spans[self._span_starts[row] : self._span_starts[row + 1]]

    def sentence(self, row: int, token: int) -> tuple[int, int]:
        """First token, and token behind the last, of the sentence that holds a token."""
        starts = self._sentences[self._sentence_starts[row] : self._sentence_starts[row + 1]]
        number = int(np.searchsorted(starts, token, "right")) - 1
        length = int(self.token_starts[row + 1] - self.token_starts[row])
        return int(starts[number]), int(starts[number + 1]) if number + 1 < len(starts) else length


def prepare(folder: Path, passages: Iterable[Passage], model: bytes, about: dict[str, Any]) -> None:
    """Tokenise passages into a folder, which is there when all of them are.

    Passages that follow each other with the same title are of one article: a name or a number
    that two of them have is a recurring span.

    Args:
        folder: To be made.
        passages: A stream of them.
        model: SentencePiece model.
        about: What they were made of.
    """
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    with new_folder(folder) as work, Progress("Tokenising", None, "passages") as shown:
        files = {name: (work / f"{name}.bin").open("wb") for name in COLUMNS}

        def put(name: str, numbers: Iterable[int]) -> None:
            files[name].write(array(TYPECODES[COLUMNS[name]], numbers).tobytes())

        ends = {"token_starts": 0, "sentence_starts": 0, "span_starts": 0}
        for name in ends:
            put(name, [0])
        row = 0
        for title, group in groupby(passages, key=lambda passage: passage.title):
            seen: dict[str, list[tuple[int, int]]] = {}
            for passage in group:
                found = tokenized(processor, passage)
                put("tokens", found.tokens)
                put("title_lengths", [found.title_length])
                put("sentences", found.sentences)
                put("spans", [token for span in found.spans for token in span])
                for name, part in (
                    ("token_starts", found.tokens),
                    ("sentence_starts", found.sentences),
                    ("span_starts", found.spans),
                ):
                    ends[name] += len(part)
                    put(name, [ends[name]])
                for number, words in enumerate(found.words):
                    seen.setdefault(words, []).append((row, number))
                row += 1
                shown.advance(1)
            if title:
                put("recurring", (n for pair in recurring(title, seen) for n in pair))
        for file in files.values():
            file.close()
        write_file(work / "about.json", json.dumps(about | {"passages": row}))


class Tokenized:
    """A passage's tokens, and where in them sentences begin and spans lie."""

    def __init__(self, tokens: list[int], title_length: int, sentences: list[int]) -> None:
        self.tokens, self.title_length, self.sentences = tokens, title_length, sentences
        self.spans: list[tuple[int, int]] = []
        self.words: list[str] = []


def tokenized(processor: sentencepiece.SentencePieceProcessor, passage: Passage) -> Tokenized:
    """Tokenise a passage; a span whose ends lie within tokens is left out."""
    tokens, begins, ends = pieces_of(processor, passage.content)
    begin = len(passage.content) - len(passage.text)
    first = {place: number for number, place in reversed(list(enumerate(begins)))}
    last = {place: number + 1 for number, place in enumerate(ends)}
    places = [begin + match.end() for match in SENTENCE.finditer(passage.text)]
    starts = sorted({first[place] for place in places if place in first} | {first.get(begin, 0)})
    found = Tokenized(tokens, starts[0], starts)
    ends_of_sentences = {begin, *places}
    for match in SPAN.finditer(passage.text):
        start, end = begin + match.start(), begin + match.end()
        # A lone first word is capital in any case.
        if start in ends_of_sentences and " " not in match.group():
            continue
        if start in first and end in last and first[start] < last[end]:
            found.spans.append((first[start], last[end]))
            found.words.append(match.group().lower())
    return found


def pieces_of(
    processor: sentencepiece.SentencePieceProcessor, content: str
) -> tuple[list[int], list[int], list[int]]:
    """Token ids of a text, and of each its first character and the one behind the last."""
    pieces = processor.encode(content, return_type="proto").pieces
    # SentencePiece counts bytes, and a word's first piece holds the blank before it.
    characters = list(range(len(content) + 1))
    if not content.isascii():
        characters = [n for n, c in enumerate(content) for _ in c.encode()] + characters[-1:]
    begins = [characters[piece.begin] for piece in pieces]
    begins = [place + (content[place : place + 1] == " ") for place in begins]
    return [piece.id for piece in pieces], begins, [characters[piece.end] for piece in pieces]


def recurring(
    title: str, seen: dict[str, list[tuple[int, int]]]
) -> Iterator[tuple[int, int, int, int]]:
    """Spans of one passage that another of its article has too: row, span, row, span."""
    taken: dict[int, int] = {}
    for words, places in seen.items():
        if words in title.lower() or len({row for row, _ in places}) < 2:
            continue
        for row, span in places:
            other, there = min(
                ((r, s) for r, s in places if r != row), key=lambda place: abs(place[0] - row)
            )
            if taken.get(row, 0) < PAIRS_A_PASSAGE:
                taken[row] = taken.get(row, 0) + 1
                yield row, span, other, there


def starts_word(vocabulary: Sequence[str]) -> np.ndarray:
    """Which pieces begin a word, boolean `(vocabulary,)`."""
    return np.array([piece.startswith("▁") for piece in vocabulary])


def passages_of(paths: Iterable[Path]) -> Iterator[Passage]:
    """The passages of several files."""
    return chain.from_iterable(PassageFile(path) for path in paths)
