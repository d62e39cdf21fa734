"""What a pointer tells of each passage: how likely it is that the answer stands in it."""

from __future__ import annotations

import io
from pathlib import Path

import keras
import numpy as np
import sentencepiece

from glimmer_keras.data import Corpus, Example
from glimmer_keras.pipelines import TrainingData
from glimmer_keras.utils.files import write_file
from glimmer_keras.utils.progress import Progress
from recipes.pretraining.answer_spans import answer_spans
from recipes.pretraining.examples import Ids
from recipes.pretraining.pointer import Pair, Words, log_likelihoods
from recipes.pretraining.teacher import Likelihoods
from recipes.pretraining.text import pieces_of

AT_ONCE = 64
LEAST = float(np.log(1e-4))  # of a passage that has no answer

Spans = list[tuple[int, int]]


class PointedLikelihoods:
    """Likelihoods of a pointer, of the questions whose answers stand in their passages.

    A passage that has no answer gets `LEAST`. A question of whose passages none has an answer, such
    as a claim, keeps what a reader told of it.

    Args:
        pointer: Trained.
        words: The pointer's.
        model: SentencePiece model of its tokens.
    """

    def __init__(self, pointer: keras.Model, words: Words, model: bytes) -> None:
        self.pointer, self.words = pointer, words
        self.processor = sentencepiece.SentencePieceProcessor(model_proto=model)
        self._tokens: dict[int, tuple[Ids, list[int]]] = {}

    def __call__(self, data: TrainingData, told: Likelihoods, folder: Path) -> Likelihoods:
        """Compute them for all tasks; what `folder` has is read.

        Args:
            data: The questions, those held out as its dev tasks.
            told: A reader's.
            folder: Where they are kept.
        """
        kept = {}
        tasks = [("held", task) for task in data.dev] + [("train", task) for task in data.train]
        for part, task in tasks:
            file = folder / f"{part}-{task.name}-{task.fingerprint[:16]}.npy"
            if not file.is_file():
                found = self._of(data.corpus, list(task), task.rows(slice(None)), task.name)
                content = io.BytesIO()
                np.save(content, found)
                write_file(file, content.getvalue())
            found = np.load(file)
            pointed = (found > LEAST).any(axis=1, keepdims=True)
            kept[part, task.name] = np.where(pointed, found, told[part, task.name])
        return kept

    def _of(
        self, corpus: Corpus, examples: list[Example], rows: np.ndarray, name: str
    ) -> np.ndarray:
        found = np.full(rows.shape, LEAST, "float32")
        with Progress(f"Pointing at {name}", len(examples), "questions") as shown:
            places: list[tuple[int, int]] = []
            pairs: list[Pair] = []
            spans: list[Spans] = []

            def point() -> None:
                while 0 < len(pairs) < AT_ONCE:  # one shape
                    pairs.append(pairs[-1])
                    spans.append([])
                likely = log_likelihoods(self.pointer, pairs, spans)
                for place, value in zip(places, likely, strict=False):
                    found[place] = max(LEAST, value)
                for part in (places, pairs, spans):
                    part.clear()

            for number, example in enumerate(examples):
                shown.advance(1)
                question = self.processor.encode(example.question)
                for column, row in enumerate(rows[number].tolist()):
                    told = self._spans(corpus, row, example) if row >= 0 else []
                    if told:
                        pairs.append(self.words.pair(question, self._tokens[row][0]))
                        places.append((number, column))
                        spans.append(told)
                    if len(pairs) == AT_ONCE:
                        point()
            if pairs:
                point()
        return found

    def _spans(self, corpus: Corpus, row: int, example: Example) -> Spans:
        content = corpus[row].content
        if not any(answer.lower() in content.lower() for answer in example.answers):
            return []
        if row not in self._tokens:
            tokens, _, ends = pieces_of(self.processor, content)
            self._tokens[row] = tokens, ends
        spans = answer_spans(content, self._tokens[row][1], example.answers)
        return [(start, end) for _, start, end in spans]
