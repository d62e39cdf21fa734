"""What a reader learns to ask from: the answer, and a passage in which it stands between blanks."""

from __future__ import annotations

from random import Random

import sentencepiece

from recipes.pretraining.examples import BLANK, Example, Ids, window
from recipes.pretraining.questions import Questions

STYLE_LENGTH = 3  # tokens of a task's name, which a question is to be like
LONGEST = 10  # tokens of an answer
PHRASE = (1, 1, 2, 2, 3, 4)  # words of one
INSIDE = '.,;:()"'
FUNCTION_WORDS = frozenset(
    """a an the of in on at by for to from with and or but as is are was were be been being has have
    had do does did it its his her their he she they this that these those which who whom whose when
    where while after before into over under between also not no than then there such so if most
    more some any all both each other one two""".split()
)


class Asking:
    """Questions of people turned round: `Stream` takes it in place of `Questions`.

    Args:
        questions: Those whose answer stands in their passage are taken.
        processor: SentencePiece processor of their tokens.

    Raises:
        ValueError: If there is none.
    """

    def __init__(
        self, questions: Questions, processor: sentencepiece.SentencePieceProcessor
    ) -> None:
        self.questions, self.processor = questions, processor
        self.blank = processor.encode(f"a {BLANK} a")[1:-1]
        self.tasks = {}
        for name in questions.tasks:
            told = [row for row in questions.told(name) if row.end - row.start <= LONGEST]
            if told:
                self.tasks[name] = told
        if not self.tasks:
            raise ValueError(
                f"There must be questions whose answers, of up to {LONGEST} tokens, stand in their "
                f"passages. Received: none, of {', '.join(questions.tasks)}"
            )
        self.styles = {name: processor.encode(name)[:STYLE_LENGTH] for name in self.tasks}

    def draw(self, name: str, rng: Random, size: int) -> Example:
        """A style with an answer, a passage of up to `size` tokens, and a question."""
        drawn = rng.choice(self.tasks[name])
        tokens, title = self.questions.passages[drawn.passage], self.questions.titles[drawn.passage]
        asked, passage = self.asked(name, rng, tokens, title, drawn.start, drawn.end, size)
        return asked, passage, drawn.question

    def asked(
        self, name: str, rng: Random, tokens: Ids, title: int, start: int, end: int, size: int
    ) -> tuple[Ids, Ids]:
        """What is given to get a question in the style of a task for a span of a passage."""
        answer, blank = tokens[start:end], self.blank
        marked = tokens[:start] + blank + answer + blank + tokens[end:]
        passage = window(
            rng, marked, title if start >= title else 0, start, end + 2 * len(blank), size
        )
        return self.styles[name] + answer, passage

    def phrase(self, rng: Random, tokens: Ids, title: int) -> tuple[int, int] | None:
        """A few words of a text that neither begin nor end in a function word, if drawn so."""
        pieces = [self.processor.id_to_piece(token) for token in tokens]
        begins = [n for n in range(title, len(tokens)) if pieces[n].startswith("▁")]
        if not begins:
            return None
        number, words = rng.randrange(len(begins)), rng.choice(PHRASE)
        start, end = begins[number], [*begins, len(tokens)][min(number + words, len(begins))]
        while end > start and not any(map(str.isalnum, pieces[end - 1])):
            end -= 1
        text = "".join(pieces[start:end]).replace("▁", " ").strip()
        if not text or any(mark in text for mark in INSIDE):
            return None
        first, *_, last = (text.split() * 2)[: max(2, len(text.split()))]
        return None if {first, last} & FUNCTION_WORDS else (start, end)
