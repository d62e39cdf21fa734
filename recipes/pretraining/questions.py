"""Questions that people asked, as token ids, each with a passage and where that answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any

from recipes.pretraining.examples import Example, Ids, contains, find, window

SWAPPED = 0.5  # of the questions whose answer is a span
TOKENS_LOST = 0.1  # of a question
UNTOLD = 0.15  # of the questions, with a passage that does not tell


@dataclass(frozen=True)
class Question:
    """Token ids of a question and its answers, and the place in a passage that tells them.

    `near` are passages that a retriever finds for it and that do not tell.
    """

    question: Ids
    answers: list[Ids]
    passage: int
    start: int
    end: int
    near: list[int] = field(default_factory=list)


class Questions:
    """Questions of people by task, with their passages.

    They are few, and soon known by heart. So half of the time a passage tells another answer than
    it did, that of another question that asks for the same (Longpre et al., 2021), and some tokens
    of a question are lost. A few get a passage that does not tell, as BM25 finds it or of the same
    title, and the answer `untold`: so a reader learns to tell passages apart.

    Args:
        passages: Token ids of each.
        titles: Number of tokens of each title.
        tasks: Questions of each task.
        separator: What stands between entity and relation in a question for a slot.
        untold: Answered where a passage does not tell.
    """

    def __init__(
        self,
        passages: list[Ids],
        titles: list[int],
        tasks: dict[str, list[Question]],
        separator: Ids,
        untold: Ids,
    ) -> None:
        self.passages, self.titles, self.tasks = passages, titles, tasks
        self.separator, self.untold = separator, untold
        self.titled: dict[tuple[int, ...], list[int]] = {}
        for row, tokens in enumerate(passages):
            self.titled.setdefault(tuple(tokens[: titles[row]]), []).append(row)
        self.alike: dict[tuple[str, Any], list[Ids]] = {}
        for name in tasks:
            for question in self.told(name):
                answer = passages[question.passage][question.start : question.end]
                self.alike.setdefault(self.asked(name, question), []).append(answer)

    def draw(self, name: str, rng: Random, size: int) -> Example:
        """Draw a question, one of its answers, and a passage of up to `size` tokens."""
        drawn = rng.choice(self.tasks[name])
        question = [t for t in drawn.question if rng.random() >= TOKENS_LOST]
        if rng.random() < UNTOLD and (other := self.untelling(drawn, rng)) is not None:
            tokens, title = self.passages[other], self.titles[other]
            place = rng.randrange(max(1, len(tokens)))
            return question, window(rng, tokens, title, place, place + 1, size), self.untold
        tokens, title = self.passages[drawn.passage], self.titles[drawn.passage]
        start, end = drawn.start, drawn.end
        answer = rng.choice(drawn.answers)
        old = self.span(drawn)
        if old is not None and rng.random() < SWAPPED and find(tokens[:title], old) is None:
            answer = rng.choice(self.alike[self.asked(name, drawn)])
            body, first = replaced(tokens[title:], old, answer, start - title)
            tokens, start = tokens[:title] + body, title + first
            end = start + len(answer)
        return question, window(rng, tokens, title, start, end, size), answer

    def untelling(self, question: Question, rng: Random) -> int | None:
        """A passage near a question or of the same title, or any, unless it tells an answer."""
        own = question.passage
        if question.near and rng.random() < 0.5:
            return rng.choice(question.near)
        other = rng.choice(self.titled[tuple(self.passages[own][: self.titles[own]])])
        if other == own:
            other = rng.randrange(len(self.passages))
        tells = any(contains(self.passages[other], answer) for answer in question.answers)
        return None if other == own or tells else other

    def told(self, name: str) -> list[Question]:
        """The questions of a task whose answer stands in their passage."""
        return [question for question in self.tasks[name] if self.span(question) is not None]

    def span(self, question: Question) -> Ids | None:
        """The answer as the passage has it, if it has."""
        span = self.passages[question.passage][question.start : question.end]
        return span if span in question.answers else None

    def asked(self, name: str, question: Question) -> tuple[str, Any]:
        """What a question asks for: of one for a slot the relation, else the first token."""
        place = find(question.question, self.separator)
        return name, tuple(question.question[place:] if place else question.question[:1])


def replaced(tokens: Ids, old: Ids, new: Ids, place: int) -> tuple[Ids, int]:
    """Tokens with each `old` made `new`, and where the one that was at `place` begins."""
    made: Ids = []
    moved = 0
    at = 0
    while at < len(tokens):
        if at == place:
            moved = len(made)
        if tokens[at : at + len(old)] == old:
            made += new
            at += len(old)
        else:
            made.append(tokens[at])
            at += 1
    return made, moved
