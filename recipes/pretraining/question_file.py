"""Questions of people from folders in the shape of KILT to a file of token ids, and back."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import sentencepiece

from glimmer_keras import data
from glimmer_keras.data import Passage, read_corpus
from glimmer_keras.pipelines import bm25_index
from glimmer_keras.utils.files import write_file
from glimmer_keras.utils.progress import track
from recipes.pretraining.answer_spans import answer_spans
from recipes.pretraining.examples import Ids
from recipes.pretraining.held_out import is_held, split_task, training_tasks
from recipes.pretraining.questions import Question, Questions
from recipes.pretraining.text import pieces_of

TOKENS_NEAR = 20
NEAR = 8  # passages by BM25 of which one may be read in place of one that tells


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


def _nearest(tokens: Ids, question: Ids, places: Iterable[int]) -> int:
    """The place that has most of a question's tokens near it."""
    asked = set(question)

    def told(place: int) -> int:
        return len(asked.intersection(tokens[max(0, place - TOKENS_NEAR) : place + TOKENS_NEAR]))

    return max(places, key=told, default=0)
