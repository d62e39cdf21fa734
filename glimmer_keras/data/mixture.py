from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from glimmer_keras.data.corpus import Corpus
from glimmer_keras.data.mixture_sampler import Draw, MixtureSampler
from glimmer_keras.data.passage_inputs import PassageInputs
from glimmer_keras.data.task import Task
from glimmer_keras.data.task_base import TaskBase, fit_columns
from glimmer_keras.data.token_ids import spec_key
from glimmer_keras.data.tokenized_task import TokenizedTask
from glimmer_keras.utils.checks import check_integer

if TYPE_CHECKING:
    import tensorflow as tf


def mixture(
    tasks: Sequence[Task] | Sequence[TokenizedTask],
    corpus: Corpus | PassageInputs,
    batch_size: int,
    *,
    training: bool = True,
    seed: int = 0,
    weights: Sequence[float] | None = None,
    start_step: int = 0,
    num_passages: int | None = None,
    shard: tuple[int, int] = (0, 1),
) -> tf.data.Dataset:
    """Mix several tasks into batches.

    For training the stream is endless: see `MixtureSampler`. For evaluation every example comes
    once, task after task, in order and with its first answer; the last batch may be smaller.

    Args:
        tasks: Tasks with distinct names and their retrieved rows set, all of strings or all
            tokenised to the same lengths.
        corpus: The passages that the rows count in, if the tasks are tokenised a `TokenizedCorpus`
            or a `pipelines.CorpusMemory`.
        batch_size: Examples in a batch, over all hosts.
        training: Whether to sample endlessly, or give every example once.
        seed: Seed of the sampling.
        weights: Relative frequency of each task in training; `None` for all alike.
        start_step: First batch to give: the stream goes on as if the ones before had been read.
        num_passages: Passages of each example, cut or filled up with missing ones; `None` for as
            many as were retrieved.
        shard: Number of this host and of hosts in training: each gives its own part of the same
            batch, `batch_size / hosts` rows, so that another number of hosts goes on with the
            same stream. Of `n` hosts, host `i` has rows from `i * batch_size / n`.

    Returns:
        A dataset of the dictionaries of `Task.batch` as string tensors, or of the triples
        `(inputs, labels, weights)` of `TokenizedTask.batch`. All shapes but the batch are static.

    Raises:
        TypeError: If strings and tokens are mixed.
        ValueError: If an argument does not fit, or tasks do not agree.
    """
    import tensorflow as tf

    checked = _check(tasks, corpus, batch_size, start_step, num_passages)
    own = _own_rows(shard, batch_size)
    if training:
        _check_answers(checked)
        counts = [task.answer_counts for task in checked]
        draw: Callable[[int], Draw] = MixtureSampler(counts, batch_size, seed, weights).batch
        steps = None
    else:
        if weights is not None:
            raise ValueError("`weights` must be left out with `training=False`.")
        if shard != (0, 1):
            raise ValueError(
                f"`shard` must be left out with `training=False`. Received: shard={shard}"
            )
        draw, steps = _in_order([len(task) for task in checked], batch_size)
    if steps is not None and start_step > steps:
        raise ValueError(
            f"`start_step` must be at most the number of batches. "
            f"Received: start_step={start_step}, {steps} batches"
        )

    def generate() -> Iterator[Any]:
        step = start_step
        while steps is None or step < steps:
            numbers, examples, answers = (column[own] for column in draw(step))
            yield _assemble(checked, corpus, numbers, examples, answers)
            step += 1

    zero = np.zeros(1, dtype="int64")
    signature = tf.nest.map_structure(
        lambda array: tf.TensorSpec(
            (None, *array.shape[1:]), tf.string if array.dtype == object else array.dtype
        ),
        checked[0].batch(zero, zero, corpus),
    )
    dataset = tf.data.Dataset.from_generator(generate, output_signature=signature)
    cardinality = tf.data.INFINITE_CARDINALITY if steps is None else steps - start_step
    return dataset.apply(tf.data.experimental.assert_cardinality(cardinality)).prefetch(
        tf.data.AUTOTUNE
    )


def _own_rows(shard: tuple[int, int], batch_size: int) -> slice:
    """Choose the rows of each batch that are this host's."""
    host, hosts = shard
    if not 0 <= host < hosts:
        raise ValueError(
            f"`shard` must be a host from 0 to below the number of hosts. Received: shard={shard}"
        )
    if batch_size % hosts:
        raise ValueError(
            "`batch_size` must be a multiple of the number of hosts. "
            f"Received: batch_size={batch_size}, shard={shard}"
        )
    rows = batch_size // hosts
    return slice(host * rows, (host + 1) * rows)


def _in_order(sizes: list[int], batch_size: int) -> tuple[Callable[[int], Draw], int]:
    """Make a function that draws every example once, and count the batches that it gives."""
    numbers = np.repeat(np.arange(len(sizes)), sizes)
    examples = np.concatenate([np.arange(size) for size in sizes])

    def draw(step: int) -> Draw:
        part = slice(step * batch_size, (step + 1) * batch_size)
        return numbers[part], examples[part], np.zeros_like(examples[part])

    return draw, -(-len(examples) // batch_size)


def _assemble(
    tasks: Sequence[TaskBase],
    corpus: Corpus | PassageInputs,
    numbers: np.ndarray,
    examples: np.ndarray,
    answers: np.ndarray,
) -> Any:
    """Put a batch together of what is drawn: numbers of tasks, examples and answers `(batch,)`."""
    parts, places = [], []
    for number in np.unique(numbers):
        place = np.flatnonzero(numbers == number)
        parts.append(tasks[number].batch(examples[place], answers[place], corpus))
        places.append(place)
    return _merge(parts, np.argsort(np.concatenate(places)))


def _merge(parts: list[Any], order: np.ndarray) -> Any:
    """Join batches of one structure along their first axis, and put the rows in order."""
    if isinstance(parts[0], dict):
        return {name: _merge([part[name] for part in parts], order) for name in parts[0]}
    if isinstance(parts[0], tuple):
        return tuple(_merge([*column], order) for column in zip(*parts, strict=True))
    return np.concatenate(parts)[order]


def _check(
    tasks: Sequence[Task] | Sequence[TokenizedTask],
    corpus: Corpus | PassageInputs,
    batch_size: int,
    start_step: int,
    num_passages: int | None,
) -> list[TaskBase]:
    """Check the arguments; give the tasks with `num_passages` columns of retrieved rows."""
    check_integer("batch_size", batch_size)
    check_integer("start_step", start_step, 0)
    if num_passages is not None and num_passages < 1:
        raise ValueError(
            f"`num_passages` must be at least 1. Received: num_passages={num_passages}"
        )
    if not tasks:
        raise ValueError("`tasks` must hold at least one task. Received: 0 tasks")
    kind = Task if isinstance(corpus, Corpus) else TokenizedTask
    for task in tasks:
        if not isinstance(task, kind):
            raise TypeError(
                f"`tasks` must be {kind.__name__} with a {type(corpus).__name__}. "
                f"Received: {type(task).__name__}"
            )
        _check_rows(task, len(corpus))
    names = [task.name for task in tasks]
    if len(set(names)) != len(names):
        raise ValueError(f"`tasks` must have distinct names. Received: {names}")
    checked: list[TaskBase] = list(tasks)
    if num_passages is not None:
        checked = [
            task.with_retrieved(fit_columns(task.rows(slice(None)), num_passages))
            for task in checked
        ]
    _check_agreement(checked, corpus)
    return checked


def _check_rows(task: TaskBase, passages: int) -> None:
    if task.retrieved is None:
        raise ValueError(
            f"`tasks` must have their retrieved rows set. Received: None in task {task.name!r}"
        )
    if task.retrieved.max() >= passages:
        raise ValueError(
            f"`tasks` must be retrieved from `corpus`, of {passages} passages. "
            f"Received: row {task.retrieved.max()} in task {task.name!r}"
        )


def _check_agreement(tasks: Sequence[Any], corpus: Corpus | PassageInputs) -> None:
    _check_equal("numbers of passages", {task.name: task.retrieved.shape[1] for task in tasks})
    if not isinstance(corpus, Corpus):
        _check_equal("question lengths", {task.name: task.question_length for task in tasks})
        _check_equal("answer lengths", {task.name: task.answer_length for task in tasks})
        _check_equal(
            "tokenizers",
            {"corpus": spec_key(corpus.spec)} | {task.name: spec_key(task.spec) for task in tasks},
        )


def _check_equal(what: str, values: dict[str, Any]) -> None:
    if len(set(values.values())) > 1:
        raise ValueError(f"`tasks` must have equal {what}. Received: {values}")


def _check_answers(tasks: Sequence[TaskBase]) -> None:
    for task in tasks:
        unknown = int(np.sum(task.answer_counts == 0))
        if unknown:
            raise ValueError(
                "`tasks` must have an answer for every example in training. "
                f"Received: {unknown} without in task {task.name!r}"
            )
