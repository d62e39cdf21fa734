"""Questions that people asked, as token ids, each with a passage and where that answers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import sentencepiece

from glimmer_keras import data
from glimmer_keras.data import Passage, Task, read_corpus, read_task
from glimmer_keras.utils.files import write_file
from recipes.pretraining.examples import Example, Ids, contains, find, window
from recipes.pretraining.text import pieces_of

TOKENS_NEAR = 20
SWAPPED = 0.5  # of the questions whose answer is a span
TOKENS_LOST = 0.1  # of a question
UNTOLD = 0.1  # of the questions, with a passage that does not tell
HELD_ONE_IN = 20
TRAIN = "-train.jsonl"


@dataclass(frozen=True)
class Question:
    """Token ids of a question and its answers, and the place in a passage that tells them."""

    question: Ids
    answers: list[Ids]
    passage: int
    start: int
    end: int


class Questions:
    """Questions of people by task, with their passages.

    They are few, and soon known by heart. So half of the time a passage tells another answer than
    it did, that of another question that asks for the same (Longpre et al., 2021), and some tokens
    of a question are lost. A few get a passage that does not tell, of the same title if there is
    one, and the answer `untold`: so a reader learns to tell passages apart.

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
        """A passage, of the same title if there is one, unless it tells an answer."""
        own = question.passage
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


def is_held_out(example: data.Example) -> bool:
    """Whether pretraining leaves a question out: one passage in twenty, with its questions."""
    pieces = [piece.passage_id for pieces in example.evidence for piece in pieces]
    name = pieces[0] if pieces else example.id
    return int(hashlib.sha256(name.encode()).hexdigest(), 16) % HELD_ONE_IN == 0


def split_task(task: Task) -> tuple[Task | None, Task | None]:
    """What is trained on, and what is held out to tune on; `None` where nothing is."""
    parts: tuple[list[data.Example], list[data.Example]] = ([], [])
    for example in task:
        parts[is_held_out(example)].append(example)
    trained, held = (Task(task.name, part) if part else None for part in parts)
    return trained, held


def training_tasks(folder: Path) -> list[Task]:
    """Read the training questions of a folder in the shape of KILT."""
    paths = sorted(folder.glob(f"*{TRAIN}"))
    return [read_task(path, path.name.removesuffix(TRAIN)) for path in paths]


def prepare_questions(file: Path, folders: list[Path], model: bytes) -> None:
    """Tokenise the training questions of folders in the shape of KILT, into a file."""
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    passages: list[Ids] = []
    titles: list[int] = []
    tasks: dict[str, list[list]] = {}
    for folder in folders:
        corpus = read_corpus(folder / "corpus.jsonl")
        train = training_tasks(folder)
        rows: dict[int, int] = {}
        places: dict[int, list[int]] = {}
        for task in train:
            for example in task:
                if is_held_out(example):
                    continue
                question = processor.encode(example.question)
                gold = [row for rows in corpus.evidence_rows(example) for row in sorted(rows)]
                found = None
                for row in dict.fromkeys(gold):
                    if row not in rows:
                        tokens, ends, title = _tokens(processor, corpus[row])
                        rows[row] = len(passages)
                        passages.append(tokens)
                        titles.append(title)
                        places[row] = ends
                    found = _found(
                        processor,
                        corpus[row],
                        passages[rows[row]],
                        places[row],
                        question,
                        example.answers,
                    )
                    if found:
                        break
                if not gold:
                    continue
                if found is None:
                    row = gold[0]
                    tokens = passages[rows[row]]
                    start = _nearest(tokens, question, range(titles[rows[row]], len(tokens)))
                    found = [processor.encode(a) for a in example.answers], start, start + 1
                tasks.setdefault(task.name, []).append([question, found[0], rows[row], *found[1:]])
    write_file(file, json.dumps({"passages": passages, "titles": titles, "tasks": tasks}))


def read_questions(file: Path, separator: Ids, untold: Ids) -> Questions:
    """Read what `prepare_questions` wrote."""
    kept = json.loads(file.read_text())
    tasks = {name: [Question(*row) for row in rows] for name, rows in kept["tasks"].items()}
    return Questions(kept["passages"], kept["titles"], tasks, separator, untold)


def _tokens(processor, passage: Passage) -> tuple[Ids, list[int], int]:
    """Token ids, the character behind each of them, and the number of the title's."""
    tokens, _, ends = pieces_of(processor, passage.content)
    title = sum(end <= len(passage.content) - len(passage.text) for end in ends)
    return tokens, ends, title


def _found(processor, passage: Passage, tokens: Ids, ends: list[int], question: Ids, answers):
    """The answers that a passage tells, and where it does best."""
    content = passage.content.lower()
    told, spans = [], []
    for answer in answers:
        for place in _occurrences(content, answer.lower()):
            first = sum(end <= place for end in ends)
            if first and ends[first - 1] == place and content[place - 1] == " ":
                first -= 1  # a lone blank is the answer's first piece
            last = sum(end < place + len(answer) for end in ends)
            spans.append((first, last + 1))
            if answer not in told:
                told.append(answer)
    if not told:
        return None
    start = _nearest(tokens, question, [start for start, _ in spans])
    return processor.encode(told), start, dict(spans)[start]


def _occurrences(content: str, answer: str) -> Iterator[int]:
    place = content.find(answer) if answer else -1
    while place >= 0:
        yield place
        place = content.find(answer, place + 1)


def _nearest(tokens: Ids, question: Ids, places: Iterable[int]) -> int:
    """The place that has most of a question's tokens near it."""
    asked = set(question)

    def told(place: int) -> int:
        return len(asked.intersection(tokens[max(0, place - TOKENS_NEAR) : place + TOKENS_NEAR]))

    return max(places, key=told, default=0)
