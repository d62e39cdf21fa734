import copy
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np

from glimmer_keras.data.padding import padding_mask, shift_right
from glimmer_keras.data.passage_inputs import PassageInputs
from glimmer_keras.data.task import Task
from glimmer_keras.data.task_base import TaskBase, fit_columns
from glimmer_keras.data.token_cache import Create, cache_key, cached_arrays
from glimmer_keras.data.token_ids import fill_tokens, report_truncated, spec_key
from glimmer_keras.data.token_spec import TokenSpec

# Inputs, labels and their weights.
Triple = tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]


class TokenizedTask(TaskBase):
    """The questions and answers of a task as token ids.

    Made by `tokenize_task`. Questions have no end token, as the passage that a question is
    joined with brings one; answers are closed by it.

    Args:
        name: Name of the task.
        arrays: `question_token_ids` `(examples, question length)`, `question_lengths`
            `(examples,)`, `answer_token_ids` `(answers, answer length)`, `answer_lengths`
            `(answers,)`, and `answer_offsets` `(examples + 1,)`: the answers of example `i` are
            rows `answer_offsets[i]` to `answer_offsets[i + 1]`.
        spec: The tokenizer they were made with.
        truncated: Number of `questions` and `answers` that were longer.
        retrieved: Integers `(examples, passages)`, rows of the corpus, or `None`.

    `likelihoods` are `None`, or what `with_likelihoods` set.
    """

    def __init__(
        self,
        name: str,
        arrays: dict[str, np.ndarray],
        spec: TokenSpec,
        truncated: dict[str, int],
        retrieved: np.ndarray | None = None,
    ) -> None:
        self.question_token_ids = arrays["question_token_ids"]
        self.question_lengths = arrays["question_lengths"]
        self.answer_token_ids = arrays["answer_token_ids"]
        self.answer_lengths = arrays["answer_lengths"]
        self.answer_offsets = arrays["answer_offsets"]
        self.spec = spec
        self.truncated = truncated
        self.likelihoods: np.ndarray | None = None
        super().__init__(name, retrieved)

    def __len__(self) -> int:
        return len(self.question_token_ids)

    def __repr__(self) -> str:
        retrieved = None if self.retrieved is None else self.retrieved.shape
        return (
            f"TokenizedTask({self.name!r}, {len(self)} examples, {self.question_length} question "
            f"and {self.answer_length} answer tokens, retrieved={retrieved})"
        )

    @property
    def question_length(self) -> int:
        return self.question_token_ids.shape[1]

    @property
    def answer_length(self) -> int:
        return self.answer_token_ids.shape[1]

    @cached_property
    def answer_counts(self) -> np.ndarray:
        """int64 `(examples,)`: the number of gold answers of each example."""
        return np.diff(self.answer_offsets)

    def with_likelihoods(self, likelihoods: np.ndarray) -> Self:
        """Make the same task with what a teacher said before, so that training asks none.

        Args:
            likelihoods: Floats `(examples, passages)`, the log-likelihood of an example's answer
                given each of its retrieved passages, as `pipelines.answer_likelihoods` has it.
        """
        likelihoods = np.asarray(likelihoods, "float32")
        if self.retrieved is None or likelihoods.shape != self.retrieved.shape:
            shape = None if self.retrieved is None else self.retrieved.shape
            raise ValueError(
                f"`likelihoods` must have a number for each retrieved passage, {shape}. "
                f"Received: shape={likelihoods.shape}"
            )
        task = copy.copy(self)
        task.likelihoods = likelihoods
        return task

    def with_retrieved(self, rows: np.ndarray) -> Self:
        """Make the same task with other retrieved rows `(examples, passages)`.

        Likelihoods stay with it where the rows are the first of those that they are of.
        """
        task = super().with_retrieved(rows)
        if self.likelihoods is not None:
            columns = np.shape(rows)[1]
            same = np.array_equal(self.rows(slice(None))[:, :columns], rows)
            task.likelihoods = self.likelihoods[:, :columns] if same else None
        return task

    def batch(self, indices: np.ndarray, answers: np.ndarray, corpus: PassageInputs) -> Triple:
        """Put a batch together as the model trains on it.

        Args:
            indices: Integers `(batch,)`, numbers of examples.
            answers: Integers `(batch,)`, which gold answer of each.
            corpus: The corpus that the retrieved rows count in: a `TokenizedCorpus`, or a
                `pipelines.CorpusMemory`, which gives memory in place of token ids.

        Returns:
            The model's inputs: int32 `question_token_ids` `(batch, question length)`,
            `passage_token_ids` `(batch, passages, passage length)` and `decoder_token_ids`
            `(batch, answer length)`, each with its boolean `..._padding_mask`; the labels, int32
            `(batch, answer length)`; and their weights, float32, 1 on real tokens. An example
            without answers has weights of 0. With likelihoods the inputs have
            `teacher_log_probs`, float32 `(batch, passages)`.
        """
        indices = np.asarray(indices)
        rows = self.rows(indices)  # (batch, passages)
        labels, lengths = self._answers(indices, np.asarray(answers))
        places = self.answer_length
        inputs = {
            "question_token_ids": self.question_token_ids[indices].astype("int32"),
            "question_padding_mask": padding_mask(
                self.question_lengths[indices], self.question_length
            ),
            **corpus.inputs(rows),
            "decoder_token_ids": shift_right(labels, lengths, self.spec.start_id, self.spec.pad_id),
            "decoder_padding_mask": padding_mask(np.maximum(lengths, 1), places),
        }
        if self.likelihoods is not None:
            inputs["teacher_log_probs"] = fit_columns(self.likelihoods[indices], rows.shape[1])
        return inputs, labels, padding_mask(lengths, places).astype("float32")

    def _answers(self, indices: np.ndarray, answers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Token ids `(batch, answer length)` and lengths `(batch,)` of one answer of each."""
        counts = self.answer_counts[indices]
        if np.any((answers < 0) | (answers >= np.maximum(counts, 1))):
            raise ValueError(
                f"`answers` must be from 0 to below {counts.tolist()}. "
                f"Received: answers={answers.tolist()}"
            )
        answered = counts > 0
        labels = np.full((len(indices), self.answer_length), self.spec.pad_id, dtype="int32")
        lengths = np.zeros(len(indices), dtype="int32")
        rows = (self.answer_offsets[indices] + answers)[answered]
        labels[answered] = self.answer_token_ids[rows]
        lengths[answered] = self.answer_lengths[rows]
        return labels, lengths


def tokenize_task(
    task: Task,
    spec: TokenSpec,
    question_length: int,
    answer_length: int,
    cache_dir: str | Path | None = None,
) -> TokenizedTask:
    """Tokenise the questions and answers of a task, once.

    Args:
        task: The examples. Their retrieved rows are handed on, and are not part of the cache.
        spec: The tokenizer.
        question_length: Tokens of a question; longer ones are cut.
        answer_length: Tokens of an answer, the end token among them.
        cache_dir: Where tokens are kept on disk and found again, memory-mapped; `None` for
            memory only.
    """
    key = cache_key("task", task.fingerprint, *spec_key(spec), question_length, answer_length)

    def make(create: Create) -> dict[str, int]:
        questions = [example.question for example in task]
        answers = [answer for example in task for answer in example.answers]
        offsets = create("answer_offsets", (len(task) + 1,), "int64")
        offsets[1:] = np.cumsum(task.answer_counts)

        def tokens(prefix: str, texts: list[str], length: int, end_id: int | None) -> int:
            return fill_tokens(create, prefix, texts.__getitem__, len(texts), length, end_id, spec)

        return {
            "questions": tokens("question_", questions, question_length, None),
            "answers": tokens("answer_", answers, answer_length, spec.end_id),
        }

    arrays, truncated = cached_arrays(cache_dir, key, make)
    counts = {"questions": len(task), "answers": len(arrays["answer_token_ids"])}
    for what, length in (("questions", question_length), ("answers", answer_length)):
        report_truncated(truncated[what], counts[what], f"{what} of {task.name}", length)
    return TokenizedTask(task.name, arrays, spec, truncated, task.retrieved)
