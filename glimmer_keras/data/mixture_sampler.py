from collections.abc import Iterator, Sequence

import numpy as np

from glimmer_keras.utils.checks import check_integer

# Slots whose tasks are drawn together.
BLOCK = 1 << 16
TASK_DRAWS, ORDER, ANSWERS = range(3)

# Numbers of tasks, of examples and of answers, int64 `(batch,)` each.
Draw = tuple[np.ndarray, np.ndarray, np.ndarray]


class MixtureSampler:
    """Draws examples of several tasks, endlessly, the same for the same seed.

    The stream is a row of slots, of which a batch takes the next `batch_size`. Each slot draws
    its task by the weights; the examples of a task come in a fresh order every epoch of that
    task, none twice in an epoch, each with one of its gold answers drawn for that epoch. Any
    step can be asked for: only the number of draws of each task before it is counted.

    Args:
        answer_counts: For each of at least one task, integers `(examples,)`: the number of gold
            answers of each example.
        batch_size: Slots in a batch.
        seed: A number from 0.
        weights: Relative frequency of each task; `None` for all alike.

    Raises:
        ValueError: If an argument does not fit, or an example has no answer.
    """

    def __init__(
        self,
        answer_counts: Sequence[np.ndarray],
        batch_size: int,
        seed: int = 0,
        weights: Sequence[float] | None = None,
    ) -> None:
        check_integer("batch_size", batch_size)
        if not len(answer_counts):
            raise ValueError("`answer_counts` must hold at least one task. Received: 0 tasks")
        check_integer("seed", seed, 0)
        self.answer_counts = [np.asarray(counts) for counts in answer_counts]
        for task, counts in enumerate(self.answer_counts):
            if counts.size == 0 or counts.min() < 1:
                raise ValueError(
                    "`answer_counts` must hold examples with at least one answer each. "
                    f"Received: {int(np.sum(counts < 1))} without of {counts.size} in task {task}"
                )
        self.batch_size = batch_size
        self.seed = seed
        self.probabilities = _probabilities(weights, len(self.answer_counts))
        self._before = [np.zeros(len(self.answer_counts), dtype="int64")]  # draws before a block
        self._block: tuple[int, np.ndarray, np.ndarray] | None = None
        self._epochs: list[dict[int, tuple[np.ndarray, np.ndarray]]]
        self._epochs = [{} for _ in self.answer_counts]

    def batch(self, step: int) -> Draw:
        """Draw the batch of a step, from 0.

        Returns:
            int64 arrays `(batch_size,)`: numbers of tasks, of examples, of answers.
        """
        check_integer("step", step, 0)
        slots = np.arange(step * self.batch_size, (step + 1) * self.batch_size)
        tasks, turns = np.empty_like(slots), np.empty_like(slots)
        for block in np.unique(slots // BLOCK):
            here = slots // BLOCK == block
            block_tasks, block_turns = self._draw_block(int(block))
            tasks[here] = block_tasks[slots[here] % BLOCK]
            turns[here] = block_turns[slots[here] % BLOCK]
        examples, answers = np.empty_like(slots), np.empty_like(slots)
        for task in np.unique(tasks):
            size = len(self.answer_counts[task])
            for epoch in np.unique(turns[tasks == task] // size):
                here = (tasks == task) & (turns // size == epoch)
                order, chosen = self._epoch(int(task), int(epoch))
                examples[here] = order[turns[here] % size]
                answers[here] = chosen[examples[here]]
        return tasks, examples, answers

    def __iter__(self) -> Iterator[Draw]:
        step = 0
        while True:
            yield self.batch(step)
            step += 1

    def _tasks_of(self, block: int) -> np.ndarray:
        """Draw the tasks `(BLOCK,)` of the slots of a block."""
        random = np.random.default_rng([self.seed, TASK_DRAWS, block])
        return random.choice(len(self.answer_counts), BLOCK, p=self.probabilities)

    def _draw_block(self, block: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw the tasks of the slots of a block, and count how often each was drawn before."""
        if self._block is None or self._block[0] != block:
            while len(self._before) <= block:
                drawn = self._tasks_of(len(self._before) - 1)
                counts = np.bincount(drawn, minlength=len(self.answer_counts))
                self._before.append(self._before[-1] + counts)
            tasks = self._tasks_of(block)
            turns = np.empty(BLOCK, dtype="int64")
            for task, before in enumerate(self._before[block]):
                here = np.flatnonzero(tasks == task)
                turns[here] = before + np.arange(len(here))
            self._block = (block, tasks, turns)
        return self._block[1], self._block[2]

    def _epoch(self, task: int, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw the order of the examples of a task in an epoch, and the answer of each."""
        epochs = self._epochs[task]
        if epoch not in epochs:
            if len(epochs) == 2:  # a batch may lie across the end of an epoch
                epochs.pop(next(iter(epochs)))
            counts = self.answer_counts[task]
            order = np.random.default_rng([self.seed, ORDER, task, epoch]).permutation(len(counts))
            random = np.random.default_rng([self.seed, ANSWERS, task, epoch])
            epochs[epoch] = order, random.integers(counts)
        return epochs[epoch]


def _probabilities(weights: Sequence[float] | None, tasks: int) -> np.ndarray:
    values = np.ones(tasks) if weights is None else np.asarray(weights, dtype="float64")
    if values.shape != (tasks,):
        raise ValueError(
            f"`weights` must have one for each of the {tasks} tasks. "
            f"Received: weights={values.tolist()}"
        )
    if not np.all(np.isfinite(values)) or values.min() < 0 or values.sum() == 0:
        raise ValueError(
            f"`weights` must be at least 0, and one above it. Received: weights={values.tolist()}"
        )
    return values / values.sum()
