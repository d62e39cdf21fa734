import math
import time
from pathlib import Path
from typing import Any

from keras import ops

from glimmer_keras.distribution.hosts import hosts
from glimmer_keras.training.csv_rows import CsvRows
from glimmer_keras.training.step_callback import StepCallback
from glimmer_keras.utils.checks import check_integer


class TrainingLog(StepCallback):
    """Appends what a run measures to a CSV file, and to TensorBoard, a row for every few steps.

    A row has `first_step` and `step`, from 1; the mean over these steps of every loss and metric
    (of a `Glimmer`: `loss`, `lm_loss`, `distillation_loss`, `token_accuracy`,
    `selection_agreement`); `learning_rate` after them; `seconds` by the wall clock,
    between epochs stopped; `steps_per_second` without the first step, which compiles; and what the
    arguments allow.
    An epoch ends a row too. What callbacks before this one have put into the logs is there as
    well: `skipped_steps` of `NotFinite`; and with the end of an epoch, in a row of its own, losses
    of each task from `TaskLosses`, scores of each task and recall@m of the selected passages
    (`val_{task}_reranked_recall`) from `EvaluateByGeneration`.

    Metrics start anew with each row. At the end of an epoch the logs of the callbacks after this
    one, and with them `History`, get the means over the epoch. List it before `Checkpoints`, which
    is then never ahead of it. Of several hosts the first writes.

    Args:
        path: The CSV file. When a run goes on, rows after `start_step` are taken away.
        every: Steps of a row. Where `save_every` of `Checkpoints` is a multiple of it, the rows
            of a run that was killed and went on are those of one that was not.
        start_step: Steps that were done before, as `Checkpoints.restore` gives them.
        tensorboard: Folder of event files, `None` for none. Steps that a killed run did after its
            last checkpoint are in it twice, with the same losses.
        tokens_per_step: Tokens that a step reads, for `tokens_per_second`: in a batch of 8, 8
            times passages times the tokens of one, say.
        flops_per_step: Floating-point operations of a step, 2 a multiply-accumulate: 2 times the
            batch size times `glimmer_keras.training_flops(...)`.
        peak: Floating-point operations a second of the machine, for `share_of_peak`.
    """

    def __init__(
        self,
        path: str | Path,
        every: int,
        start_step: int = 0,
        *,
        tensorboard: str | Path | None = None,
        tokens_per_step: int | None = None,
        flops_per_step: float | None = None,
        peak: float | None = None,
    ) -> None:
        super().__init__(start_step)
        check_integer("every", every)
        if (flops_per_step is None) != (peak is None):
            raise ValueError(
                "`flops_per_step` and `peak` must be given together. "
                f"Received: flops_per_step={flops_per_step}, peak={peak}"
            )
        self.every = every
        self._rates = {}
        if tokens_per_step is not None:
            self._rates["tokens_per_second"] = float(tokens_per_step)
        if flops_per_step is not None and peak is not None:
            self._rates["share_of_peak"] = flops_per_step / peak
        first = hosts()[0] == 0
        self._rows = CsvRows(path, start_step) if first else None
        self._events = _Events(tensorboard) if first and tensorboard is not None else None
        self._written = start_step
        self._clock: tuple[int, float] | None = None
        self._row_began = 0.0
        self._now = 0.0
        self._last: dict[str, float] = {}
        self._epoch: list[tuple[int, dict[str, float]]] = []

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        super().on_epoch_begin(epoch, logs)
        self._epoch = []
        self._row_began = time.perf_counter()
        if self._clock is not None:
            self._clock = self.step, self._row_began

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        super().on_train_batch_end(batch, logs)
        self._last, self._now = dict(logs), time.perf_counter()
        if self._clock is None:
            self._clock = self.step, self._now
        if self.step // self.every > self._written // self.every:
            self._end_row(logs)
            if batch + 1 != self.params["steps"]:  # there `fit` reads them
                self.model.reset_metrics()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        if logs is None or not self._last:
            return
        if self.step > self._written:
            self._end_row(self._last)
        rest = {name: value for name, value in logs.items() if name not in self._last}
        if rest:
            self._append({"step": self.step, **rest})
        # A row of steps that were all skipped has no means.
        rows = [
            (steps, means)
            for steps, means in self._epoch
            if "skipped_steps" not in means or math.isfinite(means["loss"])
        ]
        taken = sum(steps for steps, _ in rows)
        for name in self.model.get_metrics_result():
            total = sum(steps * means[name] for steps, means in rows)
            logs[name] = total / taken if taken else math.nan

    def _end_row(self, means: dict[str, float]) -> None:
        row = {"first_step": self._written + 1, "step": self.step, **means}
        learning_rate = self.model.optimizer.learning_rate
        row["learning_rate"] = float(ops.convert_to_numpy(learning_rate))
        row["seconds"] = self._now - self._row_began
        step, started = self._clock or (self.step, self._now)
        if self.step > step:
            speed = row["steps_per_second"] = (self.step - step) / (self._now - started)
            row |= {name: speed * share for name, share in self._rates.items()}
        self._append(row)
        self._epoch.append((self.step - self._written, means))
        self._written = self.step
        self._clock = self.step, self._now
        self._row_began = self._now

    def _append(self, row: dict[str, Any]) -> None:
        if self._rows is not None:
            self._rows.append(row)
        if self._events is not None:
            self._events.write(row)


class _Events:
    """Event files of TensorBoard, which need not be installed to write them."""

    def __init__(self, folder: str | Path) -> None:
        import tensorflow as tf

        kind = tf.compat.v1.SummaryMetadata.PluginData(plugin_name="scalars")
        self._scalar = tf.compat.v1.SummaryMetadata(plugin_data=kind)
        with tf.device("cpu"):
            self._writer = tf.summary.create_file_writer(str(folder))

    def write(self, row: dict[str, Any]) -> None:
        import tensorflow as tf

        with tf.device("cpu"), self._writer.as_default(step=row["step"]):
            for name, value in row.items():
                if name not in ("first_step", "step"):
                    tf.summary.write(name, tf.constant(value, "float32"), metadata=self._scalar)
            self._writer.flush()
