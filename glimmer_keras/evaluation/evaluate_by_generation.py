from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

from glimmer_keras.data import Corpus, PassageInputs, Task, TokenizedTask
from glimmer_keras.distribution.hosts import from_hosts
from glimmer_keras.evaluation.best_preset import BestPreset
from glimmer_keras.evaluation.evaluate import ANSWER_METRICS, evaluate
from glimmer_keras.utils.checks import check_integer


class EvaluateByGeneration(keras.callbacks.Callback):
    """Answers dev tasks while `fit` runs, logs their scores and keeps the best model.

    At the end of an epoch every question is answered with `generate`. The logs, and with them
    `History` and the callbacks after this one, get `val_{task}_{metric}` for all metrics of
    `evaluation.evaluate`, and `val_average`: the mean over the tasks, each by its own metric.
    Epochs that are not evaluated have none of these, as with `validation_freq` of `fit`; one
    that was stopped before its last batch is not, so that a run that is to end does not wait.

    Args:
        tasks: Dev tasks with their retrieved rows set.
        corpus: The passages.
        tokenized_tasks: The same tasks as token ids, in the same order.
        tokenized_corpus: The same passages as token ids, or as `pipelines.CorpusMemory`.
        metric: `"exact_match"`, `"f1"`, `"accuracy"` or `"rouge_l"`: what a task goes into the
            average with; or a dictionary with one for each task.
        every: Epochs from one evaluation to the next.
        best: A folder for the preset of the best average, with `dev_scores.json`: replaced as
            a whole when an average is higher. A run that was stopped and restored, by
            `training.Checkpoints` say, goes on from the best there. `None` keeps none.
        batch_size: Questions answered at once.
        progress: Whether to show a progress bar for each task.

    `table` is what `evaluation.evaluate` gives of the model as it is, `None` once it has changed.

    Raises:
        ValueError: If an argument does not fit; and when `fit` begins, if `best` is of another
            run or other tasks.

    Example:
    ```python
    dev = EvaluateByGeneration(tasks, corpus, tokens, passages, best="run/best")
    stop = keras.callbacks.EarlyStopping("val_average", mode="max", patience=3)  # after dev
    glimmer.fit(batches, epochs=20, steps_per_epoch=500, callbacks=[dev, stop])
    glimmer = Glimmer.from_preset("run/best")
    ```
    """

    async_safe = True  # `fit` need not wait for `on_train_batch_end`.

    def __init__(
        self,
        tasks: Sequence[Task],
        corpus: Corpus,
        tokenized_tasks: Sequence[TokenizedTask],
        tokenized_corpus: PassageInputs,
        metric: str | Mapping[str, str] = "exact_match",
        every: int = 1,
        best: str | Path | None = None,
        batch_size: int = 32,
        progress: bool = False,
    ) -> None:
        super().__init__()
        names = [task.name for task in tasks]
        _check_tasks(names, tasks, tokenized_tasks)
        for name, value in (("every", every), ("batch_size", batch_size)):
            check_integer(name, value)
        self.metric = dict.fromkeys(names, metric) if isinstance(metric, str) else dict(metric)
        if set(self.metric) != set(names) or not set(self.metric.values()) <= set(ANSWER_METRICS):
            raise ValueError(
                f"`metric` must be one of {', '.join(ANSWER_METRICS)}, or that for each of "
                f"{', '.join(names)}. Received: metric={metric!r}"
            )
        self.every = every
        self.best_average: float | None = None
        self.table: dict[str, dict[str, float]] | None = None
        self._batches = 0
        self._data = (tasks, corpus, tokenized_tasks, tokenized_corpus, batch_size, progress)
        self._best = None if best is None else BestPreset(best)
        self._measured = {
            "metric": self.metric,
            "tasks": {task.name: task.fingerprint for task in tasks},
        }

    def on_train_begin(self, logs: Any = None) -> None:
        if self._best is None:
            return
        record = self._best.record()
        if record is None:
            return
        if int(keras.ops.convert_to_numpy(self.model.optimizer.iterations)) == 0:
            raise ValueError(
                "`best` must be a new folder, or its run be restored before `fit`. Received: "
                f"an average of {record['average']:.4f} in {str(self._best.path)!r}, the model "
                "is at step 0"
            )
        for name, value in self._measured.items():
            if record[name] != value:
                raise ValueError(
                    f"`best` must be of the same `{name}`: {record[name]}. Received: {value}"
                )
        self.best_average = record["average"]

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._batches = 0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._batches = max(self._batches, batch + 1)
        self.table = None

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        steps = (self.params or {}).get("steps")
        stopped = steps and self._batches < steps and self.model.stop_training
        if (epoch + 1) % self.every or stopped:
            return
        model = self.model  # On JAX, asking for it brings its variables up to date.
        table, _ = evaluate(model, *self._data)
        self.table = table
        scores = {
            f"val_{task}_{name}": score
            for task in self.metric
            for name, score in table[task].items()
        }
        chosen = [table[task][name] for task, name in self.metric.items()]
        average = scores["val_average"] = sum(chosen) / len(chosen)
        if logs is not None:
            logs.update(scores)
        better = self.best_average is None or average > self.best_average
        if from_hosts(int(better))[0]:  # The first host's, as all take part in writing.
            self.best_average = average
            if self._best is not None:
                record = {"average": average, "epoch": epoch, **self._measured, "scores": table}
                self._best.replace(model, record)


def _check_tasks(
    names: Sequence[str], tasks: Sequence[Task], tokenized_tasks: Sequence[TokenizedTask]
) -> None:
    tokenized = [(task.name, len(task)) for task in tokenized_tasks]
    if not tasks or len(set(names)) < len(names) or "average" in names:
        raise ValueError(
            "`tasks` must be at least one, of different names, none of them average. "
            f"Received: {list(names)}"
        )
    if tokenized != [(task.name, len(task)) for task in tasks]:
        raise ValueError(
            f"`tokenized_tasks` must be {[(task.name, len(task)) for task in tasks]}, names and "
            f"sizes of `tasks`. Received: {tokenized}"
        )
    for task, tokens in zip(tasks, tokenized_tasks, strict=True):
        if task.retrieved is None or tokens.retrieved is None:
            raise ValueError(f"`retrieved` must be set. Received: None in task {task.name!r}")
        if not task.answer_counts.all():
            raise ValueError(
                f"`tasks` must have an answer to every question. Received: none to "
                f"{int((task.answer_counts == 0).sum())} of {len(task)} in task {task.name!r}"
            )
