"""Questions that people asked, as token ids, each with a passage and where that answers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import sentencepiece

from glimmer_keras import data
from glimmer_keras.data import Passage, Task, read_corpus, read_task
from glimmer_keras.utils.files import write_file
from recipes.pretraining.examples import Example, Ids, window
from recipes.pretraining.text import pieces_of

TOKENS_NEAR = 20
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

    Args:
        passages: Token ids of each.
        titles: Number of tokens of each title.
        tasks: Questions of each task.
    """

    def __init__(
        self, passages: list[Ids], titles: list[int], tasks: dict[str, list[Question]]
    ) -> None:
        self.passages, self.titles, self.tasks = passages, titles, tasks

    def draw(self, name: str, rng: Random, size: int) -> Example:
        """Draw a question, one of its answers, and a passage of up to `size` tokens."""
        drawn = rng.choice(self.tasks[name])
        tokens, title = self.passages[drawn.passage], self.titles[drawn.passage]
        passage = window(rng, tokens, title, drawn.start, drawn.end, size)
        return drawn.question, passage, rng.choice(drawn.answers)


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


def read_questions(file: Path) -> Questions:
    """Read what `prepare_questions` wrote."""
    kept = json.loads(file.read_text())
    tasks = {name: [Question(*row) for row in rows] for name, rows in kept["tasks"].items()}
    return Questions(kept["passages"], kept["titles"], tasks)


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
