"""Questions that people asked, as token ids, each with a passage and where that answers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import sentencepiece

from glimmer_keras import data
from glimmer_keras.data import Passage, Task, read_corpus, read_task
from glimmer_keras.pipelines import bm25_index
from glimmer_keras.utils.files import write_file
from glimmer_keras.utils.progress import track
from recipes.pretraining.examples import Example, Ids, contains, find, window
from recipes.pretraining.text import pieces_of

TOKENS_NEAR = 20
SWAPPED = 0.5  # of the questions whose answer is a span
TOKENS_LOST = 0.1  # of a question
UNTOLD = 0.15  # of the questions, with a passage that does not tell
NEAR = 8  # passages by BM25 of which one may be that
HELD_ONE_IN = 20
TRAIN = "-train.jsonl"


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


def is_held_out(example: data.Example) -> bool:
    """Whether pretraining leaves a question out: one passage in twenty, with its questions."""
    pieces = [piece.passage_id for pieces in example.evidence for piece in pieces]
    return is_held(pieces[0] if pieces else example.id)


def is_held(name: str) -> bool:
    """Whether a passage is one of those that are held out."""
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
        retriever = bm25_index(corpus, progress=False)
        kept = Kept(corpus, processor, passages, titles)
        for task in (trained for t in training_tasks(folder) if (trained := split_task(t)[0])):
            rows = tasks.setdefault(task.name, [])
            for example in track(task, f"Tokenising {task.name}", "questions", len(task)):
                if (asked := kept.question(example)) is not None:
                    (found,), _ = retriever.search([example.question], NEAR)
                    rows.append([*asked, kept.near(example, found[found >= 0].tolist())])
    kept_tasks = {name: rows for name, rows in tasks.items() if rows}
    write_file(file, json.dumps({"passages": passages, "titles": titles, "tasks": kept_tasks}))


class Kept:
    """Passages of a corpus as token ids, numbered as they are asked for.

    Args:
        corpus: The passages.
        processor: SentencePiece processor.
        passages: Gets the token ids of each.
        titles: Gets the number of tokens of each title.
    """

    def __init__(self, corpus: data.Corpus, processor, passages: list[Ids], titles: list[int]):
        self.corpus, self.processor = corpus, processor
        self.passages, self.titles = passages, titles
        self.numbers: dict[int, int] = {}
        self.ends: dict[int, list[int]] = {}

    def number(self, row: int) -> int:
        """The number of a passage of the corpus."""
        if row not in self.numbers:
            tokens, self.ends[row], title = _tokens(self.processor, self.corpus[row])
            self.numbers[row] = len(self.passages)
            self.passages.append(tokens)
            self.titles.append(title)
        return self.numbers[row]

    def question(self, example: data.Example) -> list | None:
        """What a `Question` begins with, of the first gold passage that tells; `None` without."""
        question = self.processor.encode(example.question)
        gold = [row for rows in self.corpus.evidence_rows(example) for row in sorted(rows)]
        for row in dict.fromkeys(gold):
            tokens = self.passages[self.number(row)]
            passage, ends, answers = self.corpus[row], self.ends[row], example.answers
            if found := _found(self.processor, passage, tokens, ends, question, answers):
                return [question, found[0], self.number(row), *found[1:]]
        if not gold:
            return None
        number = self.number(gold[0])
        tokens = self.passages[number]
        start = _nearest(tokens, question, range(self.titles[number], len(tokens)))
        answers = self.processor.encode(list(example.answers))
        return [question, answers, number, start, start + 1]

    def near(self, example: data.Example, found: list[int]) -> list[int]:
        """Numbers of the passages found that do not tell, nor are held out."""
        gold = {row for rows in self.corpus.evidence_rows(example) for row in rows}
        answers = [answer.lower() for answer in example.answers]
        return [
            self.number(row)
            for row in found
            if row not in gold
            and not is_held(self.corpus[row].id)
            and not any(answer in self.corpus[row].content.lower() for answer in answers)
        ]


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
    spans = answer_spans(passage.content, ends, answers)
    if not spans:
        return None
    told = list(dict.fromkeys(answer for answer, _, _ in spans))
    start = _nearest(tokens, question, [start for _, start, _ in spans])
    return processor.encode(told), start, {start: end for _, start, end in spans}[start]


def answer_spans(
    content: str, ends: Sequence[int], answers: Sequence[str]
) -> list[tuple[str, int, int]]:
    """Where a text tells answers: each with its first token, and the one behind the last.

    Args:
        content: The text.
        ends: The character behind each of its tokens.
        answers: Capitals do not matter.
    """
    lower = content.lower()
    spans = []
    for answer in answers:
        for place in _occurrences(lower, answer.lower()):
            first = sum(end <= place for end in ends)
            if first and ends[first - 1] == place and lower[place - 1] == " ":
                first -= 1  # a lone blank is the answer's first piece
            last = sum(end < place + len(answer) for end in ends)
            spans.append((answer, first, last + 1))
    return spans


def _occurrences(content: str, answer: str) -> Iterator[int]:
    """Where an answer stands in a text, not within a word."""
    place = content.find(answer) if answer else -1
    while place >= 0:
        end = place + len(answer)
        if not any(
            map(_goes_on, (content[max(0, place - 1) : place + 1], content[end - 1 : end + 1]))
        ):
            yield place
        place = content.find(answer, place + 1)


def _goes_on(pair: str) -> bool:
    """Whether two characters are within a word, of scripts that put blanks between words."""
    return len(pair) == 2 and all(c.isdigit() or c.lower() != c.upper() for c in pair)


def _nearest(tokens: Ids, question: Ids, places: Iterable[int]) -> int:
    """The place that has most of a question's tokens near it."""
    asked = set(question)

    def told(place: int) -> int:
        return len(asked.intersection(tokens[max(0, place - TOKENS_NEAR) : place + TOKENS_NEAR]))

    return max(places, key=told, default=0)
