from functools import cached_property
from pathlib import Path

import numpy as np

from glimmer_keras.data.padding import pad_tokens, padding_mask, shift_right
from glimmer_keras.data.retrieved import check_retrieved
from glimmer_keras.data.task import Task
from glimmer_keras.data.token_cache import Create, cache_key, cached_arrays
from glimmer_keras.data.token_ids import check_token_ids, report_truncated, spec_key, token_dtype
from glimmer_keras.data.token_spec import TokenSpec
from glimmer_keras.data.tokenized_corpus import TokenizedCorpus

CHUNK = 1000

Triple = tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]


class TokenizedTask:
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
        retrieved: int32 `(examples, passages)` corpus rows, or `None`.
    """

    def __init__(
        self,
        name: str,
        arrays: dict[str, np.ndarray],
        spec: TokenSpec,
        truncated: dict[str, int],
        retrieved: np.ndarray | None = None,
    ) -> None:
        self.name = name
        self.question_token_ids = arrays["question_token_ids"]
        self.question_lengths = arrays["question_lengths"]
        self.answer_token_ids = arrays["answer_token_ids"]
        self.answer_lengths = arrays["answer_lengths"]
        self.answer_offsets = arrays["answer_offsets"]
        self.spec = spec
        self.truncated = truncated
        self.retrieved = None if retrieved is None else check_retrieved(retrieved, len(self))
        self._arrays = arrays

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

    def with_retrieved(self, rows: np.ndarray) -> "TokenizedTask":
        """The same task with other retrieved rows, `(examples, passages)`."""
        return TokenizedTask(self.name, self._arrays, self.spec, self.truncated, rows)

    def batch(self, indices: np.ndarray, answers: np.ndarray, corpus: TokenizedCorpus) -> Triple:
        """A batch as the model trains on it.

        Args:
            indices: Integers `(batch,)`, numbers of examples.
            answers: Integers `(batch,)`, which gold answer of each.
            corpus: The corpus that the retrieved rows count in, as token ids, or as
                `pipelines.StoredPassages`, which gives memory in their place.

        Returns:
            The model's inputs: int32 `question_token_ids` `(batch, question length)`,
            `passage_token_ids` `(batch, passages, passage length)` and `decoder_token_ids`
            `(batch, answer length)`, each with its boolean `..._padding_mask`; the labels, int32
            `(batch, answer length)`; and their weights, float32, 1 on real tokens. An example
            without answers has weights of 0.
        """
        if self.retrieved is None:
            raise ValueError(f"`retrieved` must be set. Received: None in task {self.name!r}")
        indices = np.asarray(indices)
        labels, lengths = self._answers(indices, np.asarray(answers))
        places = self.answer_length
        inputs = {
            "question_token_ids": self.question_token_ids[indices].astype("int32"),
            "question_padding_mask": padding_mask(
                self.question_lengths[indices], self.question_length
            ),
            **corpus.inputs(self.retrieved[indices]),
            "decoder_token_ids": shift_right(labels, lengths, self.spec.start_id, self.spec.pad_id),
            "decoder_padding_mask": padding_mask(np.maximum(lengths, 1), places),
        }
        return inputs, labels, padding_mask(lengths, places).astype("float32")

    def _answers(self, indices: np.ndarray, answers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        counts = self.answer_counts[indices]
        if np.any((answers < 0) | (answers >= np.maximum(counts, 1))):
            raise ValueError(
                f"`answers` must be from 0 to below {counts.tolist()}. "
                f"Received: answers={answers.tolist()}"
            )
        known = counts > 0
        labels = np.full((len(indices), self.answer_length), self.spec.pad_id, dtype="int32")
        lengths = np.zeros(len(indices), dtype="int32")
        rows = (self.answer_offsets[indices] + answers)[known]
        labels[known] = self.answer_token_ids[rows]
        lengths[known] = self.answer_lengths[rows]
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
        task: The examples. Its retrieved rows are handed on, and are not part of the cache.
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
        return {
            "questions": _fill(create, "question", questions, question_length, None, spec),
            "answers": _fill(create, "answer", answers, answer_length, spec.end_id, spec),
        }

    arrays, truncated = cached_arrays(cache_dir, key, make)
    counts = {"questions": len(task), "answers": len(arrays["answer_token_ids"])}
    for what, length in (("questions", question_length), ("answers", answer_length)):
        report_truncated(truncated[what], counts[what], f"{what} of {task.name}", length)
    return TokenizedTask(task.name, arrays, spec, truncated, task.retrieved)


def _fill(
    create: Create, name: str, texts: list[str], length: int, end_id: int | None, spec: TokenSpec
) -> int:
    ids = create(f"{name}_token_ids", (len(texts), length), token_dtype(spec.vocabulary_size))
    lengths = create(f"{name}_lengths", (len(texts),), "int32")
    truncated = 0
    for start in range(0, len(texts), CHUNK):
        part = slice(start, start + CHUNK)
        padded, lengths[part], cut = pad_tokens(
            spec.tokenize(texts[part]), length, end_id, spec.pad_id
        )
        ids[part] = check_token_ids(padded, spec.vocabulary_size)
        truncated += cut
    return truncated
