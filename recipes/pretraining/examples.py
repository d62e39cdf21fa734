"""Questions made of passages, as token ids: recitals, clozes, slots, claims, and what recurs."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from random import Random

import sentencepiece

from recipes.pretraining.text import Text

END = 1
BLANK, SEPARATOR, TRUE, FALSE = "_", "[SEP]", "SUPPORTS", "REFUTES"
SYMBOLS = (BLANK, TRUE, FALSE)
ASKED = {
    "year": ("when", "in what year", "what year"),
    "number": ("how many", "how much", "what", "when"),
    "place": ("where", "what", "which"),
    "name": ("who", "what", "which", "what is the name of"),
}
KEPT_WORDS = 0.7
TOKENS_AROUND, TOKENS_NEAR = 16, 5
NEIGHBOURS = (-2, -1, 1, 2)  # rows of an article are together
RECITED_FROM, RECITED = 5, 15  # tokens
CORRUPTED, SPAN_LENGTH = 0.15, 3
SPOTTED = (0, 1, 1, 2, 3)  # words that are others
SPOTTED_AMONG = 12
TRIES = 20

Ids = list[int]
# A question, a passage and an answer, without end tokens.
Example = tuple[Ids, Ids, Ids]
Make = Callable[[Random, int, int], Example | None]


class Examples:
    """Examples of a text, each drawn anew.

    Args:
        text: The passages.
        model: SentencePiece model that they are tokenised with.
    """

    def __init__(self, text: Text, model: bytes) -> None:
        self.text = text
        self.processor = sentencepiece.SentencePieceProcessor(model_proto=model)
        pieces = [self.processor.id_to_piece(i) for i in range(self.processor.vocab_size())]
        self.starts_word = [piece.startswith("▁") for piece in pieces]
        self.digits = [piece.lstrip("▁")[:1].isdigit() for piece in pieces]
        self.years = [
            piece.lstrip("▁").isdigit() and len(piece.lstrip("▁")) == 4 for piece in pieces
        ]
        self.places = {self.processor.piece_to_id(f"▁{word}") for word in ("in", "at", "near")}
        self.blank, self.separator = self.symbol(BLANK), self.symbol(SEPARATOR)
        self.true, self.false = self.processor.encode([TRUE, FALSE])
        self.asked = {kind: self.processor.encode(list(words)) for kind, words in ASKED.items()}
        self.mark = self.processor.encode("a?")[-1:]
        self.tasks: dict[str, Make] = {
            "recite": self.recite,
            "corrupt": self.corrupt,
            "cloze": self.cloze,
            "recur": self.recur,
            "slot": self.slot,
            "claim": self.claim,
            "mend": self.mend,
            "spot": self.spot,
            "ask": self.ask,
            "untold": self.untold,
        }

    def symbol(self, symbol: str) -> Ids:
        """Token ids of a symbol between words."""
        return self.processor.encode(f"a {symbol} a")[1:-1]

    def draw(self, name: str, rng: Random, size: int) -> Example:
        """Make an example of a task, from a passage of up to `size` tokens with the end's."""
        for _ in range(TRIES):
            example = self.tasks[name](rng, self.any_row(rng), size)
            if example is not None:
                return example
        return self.recite(rng, 0, size) or ([], self.text.passage(0)[: size - 1], [])

    def recite(self, rng: Random, row: int, size: int) -> Example | None:
        """A few tokens of the passage, and how it goes on."""
        tokens, title = self.text.passage(row), self.text.title_lengths[row]
        body = [i for i in range(title, len(tokens) - RECITED_FROM - 1) if self.begins(tokens, i)]
        if not body:
            return None
        start = rng.choice(body)
        middle = start + RECITED_FROM
        end = min(middle + RECITED, len(tokens))
        passage = self.window(rng, tokens, row, start, end, size)
        return tokens[start:middle], passage, tokens[middle:end]

    def corrupt(self, rng: Random, row: int, size: int) -> Example | None:
        """What is missing from a passage (span corruption, section 3.1.4 of the T5 paper)."""
        tokens = self.window(rng, self.text.passage(row), row, 0, 1, size)
        title = min(int(self.text.title_lengths[row]), len(tokens))
        answer: Ids = []
        passage = tokens[:title]
        place = title
        while place < len(tokens):
            if rng.random() < CORRUPTED / SPAN_LENGTH and len(answer) < RECITED:
                length = rng.randint(1, 2 * SPAN_LENGTH - 1)
                answer += (self.blank if answer else []) + tokens[place : place + length]
                passage += self.blank
                place += length
            passage += tokens[place : place + 1]
            place += 1
        return ([*self.blank], passage, answer) if answer else None

    def cloze(self, rng: Random, row: int, size: int) -> Example | None:
        """A sentence of the passage with a name or a number left out."""
        if (span := self.span(rng, row)) is None:
            return None
        tokens, start, end = span
        before, after = self.around(row, tokens, start, end)
        question = self.thinned(rng, before) + self.blank + self.thinned(rng, after)
        return question, self.window(rng, tokens, row, start, end, size), tokens[start:end]

    def recur(self, rng: Random, row: int, size: int) -> Example | None:
        """A cloze to be answered from another passage of the article, that has the span too."""
        pairs = self.text.recurring
        if not len(pairs):
            return None
        row, span, other, there = pairs[rng.randrange(len(pairs))].tolist()
        tokens, found = self.text.passage(row), self.text.passage(other)
        start, end = self.text.spans(row)[span].tolist()
        begin, stop = self.text.spans(other)[there].tolist()
        before, after = self.around(row, tokens, start, end)
        question = before + self.blank + after
        return question, self.window(rng, found, other, begin, stop, size), tokens[start:end]

    def slot(self, rng: Random, row: int, size: int) -> Example | None:
        """The title, and a few words near what is asked for."""
        title = int(self.text.title_lengths[row])
        if not title or (span := self.span(rng, row)) is None:
            return None
        tokens, start, end = span
        before, after = self.around(row, tokens, start, end, TOKENS_NEAR)
        words = self.thinned(rng, before) + self.thinned(rng, after)
        named = tokens[:title]
        if self.processor.id_to_piece(named[-1]) == ":":
            named = named[:-1]
        question = named + self.separator + words
        return question, self.window(rng, tokens, row, start, end, size), tokens[start:end]

    def claim(self, rng: Random, row: int, size: int) -> Example | None:
        """A sentence as it is, or with another name or number of the same kind."""
        if (span := self.span(rng, row)) is None:
            return None
        tokens, start, end = span
        before, after = self.around(row, tokens, start, end)
        said, label = tokens[start:end], self.true
        if rng.random() < 0.5:
            if (said := self.other(rng, row, said, before + after)) is None:
                return None
            label = self.false
        question = self.thinned(rng, before) + said + self.thinned(rng, after)
        return question, self.window(rng, tokens, row, start, end, size), label

    def mend(self, rng: Random, row: int, size: int) -> Example | None:
        """A claim that has another name or number, and what should stand in its place."""
        if (span := self.span(rng, row)) is None:
            return None
        tokens, start, end = span
        before, after = self.around(row, tokens, start, end)
        if (said := self.other(rng, row, tokens[start:end], before + after)) is None:
            return None
        question = self.blank + self.thinned(rng, before) + said + self.thinned(rng, after)
        return question, self.window(rng, tokens, row, start, end, size), tokens[start:end]

    def spot(self, rng: Random, row: int, size: int) -> Example | None:
        """A part of a passage in which some words are others: which, or that none is."""
        tokens, title = self.text.passage(row), int(self.text.title_lengths[row])
        words = self.words(tokens, title)
        if len(words) < SPOTTED_AMONG:
            return None
        first = rng.randrange(len(words) - SPOTTED_AMONG + 1)
        among = words[first : first + SPOTTED_AMONG]
        changed = sorted(rng.sample(range(SPOTTED_AMONG), rng.choice(SPOTTED)))
        question, answer = [*self.false], []
        for number, (start, end) in enumerate(among):
            word = tokens[start:end]
            if number in changed:
                other = tokens if rng.random() < 0.5 else self.text.passage(self.any_row(rng))
                found = self.words(other, 0)
                begin, stop = rng.choice(found) if found else (0, 0)
                if not (said := other[begin:stop]) or said == word:
                    return None
                answer += (self.blank if answer else []) + said
                word = said
            question += word
        start, end = among[0][0], among[-1][1]
        return question, self.window(rng, tokens, row, start, end, size), answer or self.true

    def words(self, tokens: Ids, first: int) -> list[tuple[int, int]]:
        """Ends of each word from a token on."""
        begins = [place for place in range(first, len(tokens)) if self.begins(tokens, place)]
        return list(itertools.pairwise([*begins, len(tokens)])) if begins else []

    def any_row(self, rng: Random) -> int:
        return rng.randrange(len(self.text))

    def ask(self, rng: Random, row: int, size: int) -> Example | None:
        """A question in broken English: a word that asks, and the rest of the sentence."""
        if (span := self.span(rng, row)) is None:
            return None
        tokens, start, end = span
        before, after = self.around(row, tokens, start, end)
        if self.years[tokens[start]] and end == start + 1:
            kind = "year"
        elif self.digits[tokens[start]]:
            kind = "number"
        else:
            kind = "place" if before and before[-1] in self.places else "name"
        parts = [self.thinned(rng, before), self.thinned(rng, after)]
        if rng.random() < 0.5:
            parts.reverse()
        question = [*rng.choice(self.asked[kind]), *parts[0], *parts[1]]
        if rng.random() < 2 / 3:
            question += self.mark
        return question, self.window(rng, tokens, row, start, end, size), tokens[start:end]

    def untold(self, rng: Random, row: int, size: int) -> Example | None:
        """A question with a passage that does not tell, half of the time one that is near."""
        make = rng.choice((self.cloze, self.slot, self.claim, self.ask))
        if (example := make(rng, row, size)) is None:
            return None
        other = row + rng.choice(NEIGHBOURS) if rng.random() < 0.5 else -1
        if not 0 <= other < len(self.text):
            other = rng.randrange(len(self.text))
        tokens = self.text.passage(other)
        question, _, answer = example
        if other == row or contains(tokens, answer):
            return None
        place = rng.randrange(max(1, len(tokens)))
        return question, self.window(rng, tokens, other, place, place + 1, size), self.blank

    def span(self, rng: Random, row: int) -> tuple[Ids, int, int] | None:
        """A passage's tokens, and the ends of one of its spans."""
        spans = self.text.spans(row)
        if not len(spans):
            return None
        start, end = spans[rng.randrange(len(spans))].tolist()
        return self.text.passage(row), start, end

    def other(self, rng: Random, row: int, said: Ids, context: Ids) -> Ids | None:
        """Another span of the same kind, half of the time of the same passage if it has one."""
        tries_near = rng.choice((0, TRIES // 2))
        for number in range(TRIES):
            found = self.span(rng, row if number < tries_near else rng.randrange(len(self.text)))
            if found is None:
                continue
            words = found[0][found[1] : found[2]]
            if (
                words != said
                and self.digits[words[0]] == self.digits[said[0]]
                and not contains(context, words)
            ):
                return words
        return None

    def around(
        self, row: int, tokens: Ids, start: int, end: int, most: int | None = None
    ) -> tuple[Ids, Ids]:
        """What of a span's sentence is before and behind it, as whole words."""
        most = most or TOKENS_AROUND
        first, last = self.text.sentence(row, start)
        first, last = max(first, start - most), min(max(last, end), end + most)
        while first < start and not self.begins(tokens, first):
            first += 1
        while last > end and last < len(tokens) and not self.begins(tokens, last):
            last -= 1
        return tokens[first:start], tokens[end:last]

    def begins(self, tokens: Ids, place: int) -> bool:
        return self.starts_word[tokens[place]]

    def thinned(self, rng: Random, tokens: Ids) -> Ids:
        """The tokens without some of their words."""
        kept: Ids = []
        keep = True
        for token in tokens:
            if self.starts_word[token]:
                keep = rng.random() < KEPT_WORDS
            if keep:
                kept.append(token)
        return kept

    def window(self, rng: Random, tokens: Ids, row: int, start: int, end: int, size: int) -> Ids:
        """Up to `size - 1` tokens of a passage: its title, and a part that holds a span."""
        return window(rng, tokens, int(self.text.title_lengths[row]), start, end, size)


def window(rng: Random, tokens: Ids, title: int, start: int, end: int, size: int) -> Ids:
    """Up to `size - 1` tokens: a title, and a part of the text that holds tokens of it."""
    room = size - 1
    if len(tokens) <= room:
        return tokens
    title = min(title, room // 4)
    room -= title
    low, high = max(title, end - room), min(start, len(tokens) - room)
    begin = rng.randint(low, high) if low <= high else max(title, high)
    return tokens[:title] + tokens[begin : begin + room]


def contains(tokens: Ids, part: Ids) -> bool:
    return find(tokens, part) is not None


def find(tokens: Ids, part: Ids) -> int | None:
    """Where `part` begins in `tokens`, if it does."""
    for place in range(len(tokens) - len(part) + 1):
        if tokens[place] == part[0] and tokens[place : place + len(part)] == part:
            return place
    return None
