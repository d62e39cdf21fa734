from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any, overload

import numpy as np

from glimmer_keras.data import Corpus, pad_tokens, padding_mask
from glimmer_keras.data.token_ids import report_truncated
from glimmer_keras.memory import MemoryStore
from glimmer_keras.models import Glimmer, memory_fingerprint
from glimmer_keras.models.fingerprint import check_preprocessor
from glimmer_keras.pipelines.answer import Answer
from glimmer_keras.pipelines.find_passages import Ids, find_passages
from glimmer_keras.pipelines.passage_source import (
    CorpusPassages,
    Found,
    PassageSource,
    StorePassages,
)
from glimmer_keras.pipelines.prepare import token_spec
from glimmer_keras.pipelines.rank_passages import rank_passages
from glimmer_keras.retrieval import Retriever

NUM_PASSAGES = 25


class Reader:
    """Answers questions from stored memory, or from passages that it encodes as they come.

    Passages and questions have a few fixed shapes, so that nothing is compiled again when each
    has been met once: passages a quarter, half, three quarters or all of the preprocessor's
    `passage_length`, and one question or `batch_size` of them.

    Args:
        glimmer: The model, with a preprocessor; its memory encoder must not be trained further.
        store: Memory that was made with this model.
        retriever: Finds the passages of a question; its rows count those of the store (deleted
            ones left out) or of the corpus. `None` where passage ids are always given.
        corpus: The passages, in place of a store.
        num_passages: `k`, passages for a question; fewer are filled up with missing ones. By
            default the preprocessor's `num_passages`, or 25 as in the paper, or all there are.
        batch_size: Questions answered at once, when there are several.

    Raises:
        ValueError: If the memory was made with something else, which the message names, or the
            retriever is over another number of passages, or `num_passages` is less than the
            model selects.

    Example:
        reader = glimmer_keras.Reader(glimmer, store, retriever)
        answer = reader.answer("who wrote the opera fidelio")
        answer.text, answer.passages[0].score
    """

    def __init__(
        self,
        glimmer: Glimmer,
        store: MemoryStore | None = None,
        retriever: Retriever | None = None,
        *,
        corpus: Corpus | None = None,
        num_passages: int | None = None,
        batch_size: int = 8,
    ) -> None:
        if (store is None) == (corpus is None):
            both = "neither" if store is None else "both"
            raise ValueError(f"Either `store` or `corpus` must be given. Received: {both}")
        if batch_size < 1:
            raise ValueError(f"`batch_size` must be at least 1. Received: batch_size={batch_size}")
        preprocessor = check_preprocessor(glimmer)
        self._spec = token_spec(preprocessor)
        self._passages: PassageSource
        if store is not None:
            store.check_made_with(memory_fingerprint(glimmer))
            self._passages = StorePassages(store)
        elif corpus is not None:
            self._passages = CorpusPassages(corpus, self._spec, preprocessor.passage_length)
        if retriever is not None and len(retriever) != len(self._passages):
            raise ValueError(
                f"`retriever` must be over the {len(self._passages)} passages there are. "
                f"Received: one over {len(retriever)}"
            )
        self.glimmer = glimmer
        least = glimmer.backbone.num_selected or 1
        if num_passages is None:
            there = max(least, len(self._passages))
            num_passages = preprocessor.num_passages or min(NUM_PASSAGES, there)
        self.num_passages = num_passages
        self.batch_size = batch_size
        self.lengths = fixed_lengths(preprocessor.passage_length)
        self._retriever = retriever
        if self.num_passages < least:
            raise ValueError(
                f"`num_passages` must be at least {least}, as many as the model selects. "
                f"Received: num_passages={self.num_passages}"
            )

    @overload
    def answer(self, question: str, passage_ids: Ids | None = None) -> Answer: ...
    @overload
    def answer(
        self, question: list[str] | tuple[str, ...], passage_ids: Sequence[Ids] | None = None
    ) -> list[Answer]: ...
    def answer(
        self, question: str | list[str] | tuple[str, ...], passage_ids: Any = None
    ) -> Answer | list[Answer]:
        """Answer a question, or several.

        Args:
            question: One, or a list of them.
            passage_ids: Ids of the passages to read from, at most `num_passages`, in place of
                the retriever's; for several questions a sequence for each.

        Raises:
            ValueError: If a question is blank, an id is unknown, there are too many, or there
                are neither ids nor a retriever.
            CorruptStoreError: If what is stored of a passage is damaged.
        """
        if isinstance(question, str):
            ids = None if passage_ids is None else [passage_ids]
            return self._run(self._prepare([question], ids, 1))[0]
        return list(self.answer_all(question, passage_ids))

    def answer_all(
        self, questions: Iterable[str], passage_ids: Iterable[Ids] | None = None
    ) -> Iterator[Answer]:
        """Answer any number of questions in their order, in batches of one shape.

        Passages and memory of the next batch are fetched while the model computes this one.

        Args:
            questions: Taken as they are needed.
            passage_ids: For each question, as in `answer`.
        """
        if isinstance(questions, str):
            raise TypeError("`questions` must be several strings. Received: one string")
        left = iter(questions)
        ids_left = None if passage_ids is None else iter(passage_ids)
        with ThreadPoolExecutor(1, thread_name_prefix="reader") as thread:
            ahead: Future[_Batch] | None = None
            while True:
                part, ready = list(islice(left, self.batch_size)), ahead
                ids = None if ids_left is None else list(islice(ids_left, len(part)))
                ahead = thread.submit(self._prepare, part, ids, self.batch_size) if part else None
                if ready is not None:
                    yield from self._run(ready.result())
                if ahead is None:
                    return

    def _prepare(self, questions: list[str], passage_ids: list[Ids] | None, size: int) -> _Batch:
        """Everything before the model; the last question fills the batch up to `size`."""
        found, scores = find_passages(
            self._passages, self._retriever, questions, passage_ids, self.num_passages
        )
        ids = [
            [passage.id for passage in row] + [None] * (self.num_passages - len(row))
            for row in found
        ]
        length, spec = self.glimmer.preprocessor.question_length, self._spec
        tokens, lengths, cut = pad_tokens(spec.tokenize(questions), length, None, spec.pad_id)
        report_truncated(cut, len(questions), "questions", length)
        filled = np.minimum(np.arange(size), len(questions) - 1)
        inputs = {
            "question_token_ids": tokens[filled],
            "question_padding_mask": padding_mask(lengths[filled], length),
            **self._passages.inputs([ids[number] for number in filled], self.lengths),
        }
        return _Batch(questions, found, scores, inputs)

    def _run(self, batch: _Batch) -> list[Answer]:
        outputs = self.glimmer.generate(batch.inputs)
        relevance, selected = outputs.get("passage_scores"), outputs.get("selected_passages")
        answers = []
        for number, question in enumerate(batch.questions):
            ranked = rank_passages(
                batch.passages[number],
                None if relevance is None else relevance[number],
                None if selected is None else selected[number],
                None if batch.scores is None else batch.scores[number],
            )
            answers.append(Answer(question, outputs["answers"][number], ranked))
        return answers


@dataclass(frozen=True, slots=True)
class _Batch:
    """Questions with their passages, and what the model is given of them, filled up."""

    questions: list[str]
    passages: list[list[Found]]
    scores: np.ndarray | None
    inputs: dict[str, np.ndarray]


def fixed_lengths(passage_length: int) -> tuple[int, ...]:
    """A quarter, half, three quarters and all of the tokens, but for the last in steps of 64.

    Every length is compiled once, which takes longer than a shorter one saves for a while.
    """
    parts = {-(-passage_length * part // 256) * 64 for part in (1, 2, 3)}
    return (*sorted(length for length in parts if length < passage_length), passage_length)
