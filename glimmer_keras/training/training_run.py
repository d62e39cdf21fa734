from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

from glimmer_keras.training.checkpoints import Checkpoints
from glimmer_keras.training.config import RunConfig, TrainingConfig
from glimmer_keras.training.csv_rows import read_rows
from glimmer_keras.training.not_finite import NotFinite
from glimmer_keras.training.run_progress import RunProgress
from glimmer_keras.training.training_log import TrainingLog
from glimmer_keras.utils.checks import check_integer


class TrainingRun:
    """Trains a model in a folder, from which a run that was stopped goes on as if it never was.

    The folder gets `checkpoints/`, `log.csv` and, for TensorBoard, `events/`. Every
    `run.evaluate_every` steps an epoch of `fit` ends: that is where `callbacks` measure the model
    and learning rates of epochs change. With one model and one folder for all calls, the same
    program goes on with a run that was killed at any time.

    Args:
        model: A compiled and built Keras model. Its optimizer holds the learning rate.
        batches: Function of a step that gives what `fit` takes from that step on, at least until
            the last, such as `lambda step: mixture(tasks, corpus, 8, start_step=step)`.
        output: The folder, new or of the same run.
        steps: Batches in all.
        run: How often to log, to save and to evaluate; `run.hosts` and `run.model_parallel` are
            the caller's to see to, with `on_devices`.
        data: What the batches depend on, as plain values; a run does not go on with others. See
            `Checkpoints`.
        not_finite: What a loss that is not finite does: `"stop"` or `"skip"`. See `NotFinite`.
        monitor: A name in the logs of an epoch, whose highest value has its checkpoint kept.
        tokens_per_step: See `TrainingLog`.
        flops_per_step: Likewise; `run.peak` is the machine's.

    Raises:
        ValueError: If an argument does not fit.

    Example:
    ```python
    run = TrainingRun(glimmer, batches, "runs/mine", steps=1000, run=RunConfig(log_every=100))
    run.restore()
    if signal := run.fit():
        sys.exit(f"{signal}: stopped after step {run.step}")
    losses = [row["loss"] for row in run.history()]
    ```
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        config = kwargs.get("config", args[0] if args else None)
        if not isinstance(config, TrainingConfig):
            return super().__new__(cls)
        from glimmer_keras.training.reader_run import ReaderRun

        warnings.warn(
            "TrainingRun(TrainingConfig, output) is ReaderRun(config, output) now; the old call "
            "goes with the next release",
            DeprecationWarning,
            stacklevel=2,
        )
        return ReaderRun(*args, **kwargs)

    def __init__(
        self,
        model: keras.Model,
        batches: Callable[[int], Any],
        output: str | Path,
        *,
        steps: int,
        run: RunConfig | None = None,
        data: Mapping[str, Any] | None = None,
        not_finite: str = "stop",
        monitor: str | None = None,
        tokens_per_step: int | None = None,
        flops_per_step: float | None = None,
    ) -> None:
        check_integer("steps", steps)
        self.model = model
        self.batches = batches
        self.output = Path(output)
        self.steps = steps
        self.run = RunConfig() if run is None else run
        self.not_finite = not_finite
        self.checkpoints = Checkpoints(
            self.output / "checkpoints",
            self.run.save_every,
            self.run.keep,
            monitor=monitor,
            data=data,
            exchange_every=self.run.log_every,
        )
        self._rates: dict[str, Any] = {"tokens_per_step": tokens_per_step}
        if flops_per_step is not None and self.run.peak is not None:
            self._rates |= {"flops_per_step": flops_per_step, "peak": self.run.peak}

    @property
    def step(self) -> int:
        """Steps that are done."""
        return self.checkpoints.step

    def restore(self) -> int:
        """Load the newest checkpoint, if there is one.

        Returns:
            The step to go on from; 0, and the model as it was, where there is no checkpoint.

        Raises:
            ValueError: If model, optimizer or data are not those of the run, or `steps` is less
                than is done.
        """
        latest = self.checkpoints.latest_step() or 0
        if latest > self.steps:
            raise ValueError(
                f"`steps` must be at least the {latest} that are done. Received: {self.steps}"
            )
        return self.checkpoints.restore(self.model)

    def fit(self, callbacks: Sequence[keras.callbacks.Callback] = ()) -> str | None:
        """Train to the last step.

        Args:
            callbacks: Called before the logs are written, such as `EvaluateByGeneration`.

        Returns:
            The name of the signal that stopped it before, or `None`.

        Raises:
            ValueError: If the folder has checkpoints, of which none was restored.
            FloatingPointError: If a loss is not finite; see `NotFinite`.
        """
        run, start = self.run, self.step
        finite = NotFinite(self.not_finite, start_step=start)
        log = TrainingLog(
            self.output / "log.csv",
            run.log_every,
            start,
            tensorboard=self.output / "events",
            **self._rates,
        )
        progress = RunProgress(self.steps, start, run.log_every)
        with self.checkpoints.stop_on_signals(), progress:
            for first, length, epochs in _stretches(start, self.steps, run.evaluate_every):
                epoch = first // (run.evaluate_every or self.steps)
                self.model.fit(
                    self.batches(first),
                    initial_epoch=epoch,
                    epochs=epoch + epochs,
                    steps_per_epoch=length,
                    shuffle=False,
                    verbose=0,
                    callbacks=[finite, *callbacks, log, self.checkpoints, progress],
                )
                if self.checkpoints.stopped_by:
                    return self.checkpoints.stopped_by
        return None

    def history(self) -> list[dict[str, float]]:
        """Read what the run has measured, from its first step on.

        Returns:
            For each stretch of `run.log_every` steps its `first_step` and `step`, the means of
            losses and metrics over it, its `seconds`, and what else `TrainingLog` tells; where
            the model was evaluated at its end, these values too.
        """
        rows: list[dict[str, float]] = []
        for row in read_rows(self.output / "log.csv"):
            if "first_step" not in row and rows and rows[-1]["step"] == row["step"]:
                rows[-1] |= row
            else:
                rows.append(row)
        return rows


def _stretches(start: int, steps: int, every: int | None) -> Iterator[tuple[int, int, int]]:
    """What is left, as `(first step, steps an epoch, epochs)`; epochs end at `every` steps."""
    every = every or steps
    head = min(-start % every, steps - start)
    whole, tail = divmod(max(steps - start - head, 0), every)
    for length, epochs in ((head, 1), (every, whole), (tail, 1)):
        if length > 0 and epochs:
            yield start, length, epochs
            start += length * epochs
