from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import islice
from typing import Any, overload

import numpy as np

from glimmer_keras.data import Passage, TokenSpec, pad_tokens, padding_mask
from glimmer_keras.metrics.calibration import calibrated
from glimmer_keras.models.inputs import PRIOR
from glimmer_keras.pipelines.answer import Answer, as_written, rank_passages, with_sentences
from glimmer_keras.pipelines.asked import Asked, check_chosen, check_priors, check_unicode
from glimmer_keras.pipelines.passage_filter import Where, allowed_rows, check_where, passes, plain
from glimmer_keras.pipelines.passage_sources import PassageSource, TextInputs
from glimmer_keras.retrieval import Retriever
from glimmer_keras.utils.checks import check_integer

logger = logging.getLogger("glimmer_keras")

Ids = Sequence[str]
Inputs = dict[str, np.ndarray]


class Answerer(ABC):
    """Answers questions, wherever the model is: finds their passages, and makes `Answer`s.

    A subclass says how the model is run on a batch, in `run`. `ask` goes through four steps, which
    can also be taken one by one: `find`, `inputs`, `run`, `answers`.

    Args:
        source: The passages.
        retriever: Finds the passages of a question; its rows count those of `source`. `None`
            where passages are always given.
        spec: The tokenizer.
        question_length: Tokens of a question.
        passage_lengths: Tokens that passages may be padded to, ascending; to the last they are cut.
        num_passages: `k`, passages for a question; fewer are filled up with missing ones.
        batch_size: Questions answered at once, when there are several.
        fill: Whether batches are filled up to `batch_size`, so that they have one shape.
        takes_prior: Whether the model looks at what the first stage thinks of each passage.
        calibration: See `Glimmer`.
        min_confidence: From 0 to 1; answers with less are left empty.

    Attributes:
        questions_cut: How many questions were longer than `question_length` so far.

    Raises:
        ValueError: If `batch_size`, `question_length` or `min_confidence` is out of range, or the
            retriever is over another number of passages.
    """

    def __init__(
        self,
        source: PassageSource,
        retriever: Retriever | None,
        spec: TokenSpec,
        *,
        question_length: int,
        passage_lengths: Sequence[int],
        num_passages: int,
        batch_size: int,
        fill: bool,
        takes_prior: bool = False,
        calibration: Sequence[float] = (1.0, 0.0),
        min_confidence: float = 0.0,
    ) -> None:
        check_integer("batch_size", batch_size)
        check_integer("question_length", question_length)
        if not 0 <= min_confidence <= 1:
            raise ValueError(
                f"`min_confidence` must be from 0 to 1. Received: min_confidence={min_confidence}"
            )
        if retriever is not None and len(retriever) != len(source):
            raise ValueError(
                f"`retriever` must be over the {len(source)} passages there are. "
                f"Received: one over {len(retriever)}"
            )
        self.num_passages = num_passages
        self.batch_size = batch_size
        self.lengths = tuple(passage_lengths)
        self.takes_prior = takes_prior
        self.question_length = question_length
        self.questions_cut = 0
        self.calibration = calibration
        self.min_confidence = min_confidence
        self._source, self._retriever = source, retriever
        self._texts = TextInputs(spec, passage_lengths[-1])
        self._spec, self._fill = spec, fill
        self._filter: tuple[Any, Any] | None = None
        capital, small = map(list, spec.tokenize(["THE", "the"]))
        self._uncased = capital == small != []

    @overload
    def answer(
        self, question: str, passage_ids: Ids | None = None, where: Where | None = None
    ) -> Answer: ...
    @overload
    def answer(
        self,
        question: list[str] | tuple[str, ...],
        passage_ids: Sequence[Ids] | None = None,
        where: Where | None = None,
    ) -> list[Answer]: ...
    def answer(
        self,
        question: str | list[str] | tuple[str, ...],
        passage_ids: Any = None,
        where: Where | None = None,
    ) -> Answer | list[Answer]:
        """Answer a question, or several.

        Args:
            question: One, or a list of them.
            passage_ids: Ids of the passages to read from, at most `num_passages`, in place of
                the retriever's; for several questions a sequence for each.
            where: For each field of `Passage.fields` the value that a passage must have to be
                read, or several, one of which it must have; or a function that tells. The first
                time all passages are looked at.

        Raises:
            TypeError: If a question or an id is no string, or `where` no filter.
            ValueError: If a question is blank, an id is unknown or excluded by `where`, there are
                too many, or there are neither ids nor a retriever.
        """
        if isinstance(question, str):
            chosen = None if passage_ids is None else [passage_ids]
            return self.ask([question], chosen, where=where)[0]
        return self.ask(question, passage_ids, where=where)

    def ask(
        self,
        questions: Sequence[str],
        passage_ids: Sequence[Ids] | None = None,
        *,
        passages: Sequence[Sequence[Passage]] | None = None,
        priors: Sequence[Sequence[float]] | None = None,
        where: Where | None = None,
    ) -> list[Answer]:
        """Answer questions from retrieved passages, or from those given.

        Args:
            questions: Any number of them.
            passage_ids: For each question ids of passages, at most `num_passages`; for one
                without any the answer is empty. A model with `passage_prior` takes their order for
                that of the first stage.
            passages: In place of ids passages themselves, from anywhere, which the model encodes.
            priors: In place of the order, for each passage that is given the first stage's
                log-probability, up to a constant; for a model with `passage_prior`.
            where: Which passages may be read, as in `answer`.

        Raises:
            ValueError: If a question is blank, an id is unknown, there are too many passages,
                there are neither passages nor a retriever, or priors do not fit.
        """
        if passage_ids is not None and passages is not None:
            raise ValueError(
                "At most one of `passage_ids` and `passages` must be given. Received: both"
            )
        if passage_ids is not None:
            check_chosen("passage_ids", passage_ids, len(questions), self.num_passages)
        if passages is not None:
            check_chosen("passages", passages, len(questions), self.num_passages)
        if priors is not None:
            check_priors(priors, passage_ids if passages is None else passages, self.takes_prior)
        if not isinstance(questions, Sequence | np.ndarray):
            raise TypeError(
                "`questions` must be a list of strings, `question` one or such a list. "
                f"Received: {type(questions).__name__}"
            )
        size = 1 if len(questions) == 1 else self.batch_size
        given = passage_ids, passages, priors
        return list(self._stream(questions, *given, size=size, where=where))

    def answer_all(
        self,
        questions: Iterable[str],
        passage_ids: Iterable[Ids] | None = None,
        where: Where | None = None,
    ) -> Iterator[Answer]:
        """Answer any number of questions in their order, in batches of one shape.

        Passages and memory of the next batch are fetched while the model computes this one.

        Args:
            questions: Taken as they are needed.
            passage_ids: For each question, as in `answer`.
            where: Which passages may be read, as in `answer`.
        """
        return self._stream(questions, passage_ids, size=self.batch_size, where=where)

    def find(
        self,
        questions: Sequence[str],
        passage_ids: Sequence[Ids] | None = None,
        passages: Sequence[Sequence[Passage]] | None = None,
        priors: Sequence[Sequence[float]] | None = None,
        where: Where | None = None,
    ) -> Asked:
        """Find the passages of each question: those given, or else the retriever's."""
        if wrong := [question for question in questions if not isinstance(question, str)]:
            raise TypeError(f"`question` must be a string. Received: {wrong[0]!r}")
        for question in questions:
            check_unicode("question", question)
        if blank := [question for question in questions if not question.strip()]:
            raise ValueError(f"`question` must not be blank. Received: question={blank[0]!r}")
        if passages is not None:
            check_chosen("passages", passages, len(questions), self.num_passages)
            _check_allowed(passages, where)
            return Asked(questions, passages, None, self._texts, priors)
        if passage_ids is not None:
            check_chosen("passage_ids", passage_ids, len(questions), self.num_passages)
            looked_up = iter(self._source.find([i for ids in passage_ids for i in ids]))
            rows = [list(islice(looked_up, len(ids))) for ids in passage_ids]
            _check_allowed(rows, where)
            return Asked(questions, rows, None, self._source, priors)
        if self._retriever is None:
            raise ValueError(
                "`passage_ids` must be given where there is no retriever. Received: None"
            )
        allowed = [] if where is None else [self._allowed(where)]
        places, scores = self._retriever.search(questions, self.num_passages, *allowed)
        retrieved = iter(self._source.at(places[places >= 0].astype("int64")))
        rows = [list(islice(retrieved, count)) for count in (places >= 0).sum(axis=1)]
        return Asked(questions, rows, scores, self._source)

    def _allowed(self, where: Where) -> np.ndarray:
        """Which places the passages have that pass; kept for the last filter."""
        key: Any = check_where(where)
        if not callable(where):  # It may be changed later.
            key = plain(where)
        # What a store holds may change, and other threads may ask by other filters meanwhile.
        kept: Any = self._filter
        key = self._source.revision, key
        if kept is None or kept[0] != key:
            self._filter = kept = key, allowed_rows(self._source.each(), where)
        return kept[1]

    def inputs(self, asked: Asked, size: int | None = None) -> Inputs:
        """Turn questions and passages into model inputs; the last question fills up to `size`."""
        count = len(asked.questions)
        # (size,), the question of each row
        filled = np.minimum(np.arange(size if self._fill and size else count), count - 1)
        spec, length = self._spec, self.question_length
        tokens, lengths, cut = pad_tokens(
            spec.tokenize(list(asked.questions)), length, None, spec.pad_id
        )
        if cut and not self.questions_cut:
            logger.warning("Questions are cut to %d tokens where longer", length)
        self.questions_cut += cut
        passages = [asked.passages[number] for number in filled]
        inputs = {
            "question_token_ids": tokens[filled],
            "question_padding_mask": padding_mask(lengths[filled], length),
            **asked.source.inputs(passages, self.num_passages, self.lengths),
        }
        if asked.priors is not None:
            inputs[PRIOR] = np.zeros((len(filled), self.num_passages), "float32")
            for row, number in zip(inputs[PRIOR], filled, strict=True):
                row[: len(asked.priors[number])] = asked.priors[number]
        return inputs

    @abstractmethod
    def run(self, inputs: Inputs) -> Mapping[str, Any]:
        """Run the model on a batch.

        Args:
            inputs: As `inputs` makes them.

        Returns:
            What `texts` takes, perhaps `log_probability` and `answer_lengths` `(batch,)`, and with
            a scorer `passage_scores` `(batch, k)` and `selected_passages` `(batch, m)`.
        """

    def texts(self, outputs: Mapping[str, Any]) -> Sequence[str]:
        """Give the answer in each row of the model's outputs."""
        return outputs["answers"]

    def answers(self, asked: Asked, outputs: Mapping[str, Any]) -> list[Answer]:
        """Make the answers of the model's outputs."""
        texts = self.texts(outputs)
        confidences = self._confidences(outputs)
        columns = outputs.get("passage_scores"), outputs.get("selected_passages")
        answers = []
        for number, question in enumerate(asked.questions):
            scores, selected, retrieval_scores = (
                None if column is None else np.asarray(column[number])
                for column in (*columns, asked.retrieval_scores)
            )
            ranked = rank_passages(asked.passages[number], scores, selected, retrieval_scores)
            text = texts[number]
            confidence = None if confidences is None else confidences[number]
            if self._uncased:
                text = as_written(text, [passage for passage in ranked if passage.selected])
            if not ranked:  # What read nothing knows nothing.
                text, confidence = "", 0.0
            elif confidence is not None and confidence < self.min_confidence:
                text = ""
            answers.append(Answer(question, text, with_sentences(ranked, text), confidence))
        return answers

    def _confidences(self, outputs: Mapping[str, Any]) -> list[float] | None:
        """Confidences of the answers; `None` if the model does not tell how likely they are."""
        if "log_probability" not in outputs:
            return None
        lengths = np.maximum(np.asarray(outputs["answer_lengths"]), 1)
        likely = np.exp(np.asarray(outputs["log_probability"], "float64") / lengths)
        return calibrated(likely, self.calibration).tolist()

    def _stream(
        self,
        questions: Iterable[str],
        *chosen: Iterable[Sequence[Any]] | None,
        size: int,
        where: Where | None = None,
    ) -> Iterator[Answer]:
        """Answer in batches; `chosen` are further arguments of `find`."""
        if isinstance(questions, str):
            raise TypeError("`questions` must be several strings. Received: one string")
        left = iter(questions)
        given = [None if rows is None else iter(rows) for rows in chosen]
        with ThreadPoolExecutor(1, thread_name_prefix="answerer") as thread:
            ahead: Future[tuple[Asked, Inputs]] | None = None
            while True:
                part, ready = list(islice(left, size)), ahead
                rows = [None if row is None else list(islice(row, len(part))) for row in given]
                ahead = thread.submit(self._prepare, size, where, part, *rows) if part else None
                if ready is not None:
                    asked, inputs = ready.result()
                    yield from self.answers(asked, self.run(inputs))
                if ahead is None:
                    break
        if any(next(row, None) is not None for row in given if row is not None):
            raise ValueError("There must be as many questions as passages are given for")

    def _prepare(self, size: int, where: Where | None, *arguments: Any) -> tuple[Asked, Inputs]:
        """Do everything before the model."""
        find: Any = self.find if where is None else partial(self.find, where=where)
        asked = find(*arguments)
        return asked, self.inputs(asked, size)


def _check_allowed(chosen: Sequence[Sequence[Any]], where: Where | None) -> None:
    """Raise a `ValueError` for a passage that the filter excludes."""
    if where is None:
        return
    check_where(where)
    for passage in (passage for row in chosen for passage in row):
        if not passes(passage, where):
            raise ValueError(
                f"`passage_ids` must be of passages that `where` lets through. "
                f"Received: {passage.id!r}"
            )
