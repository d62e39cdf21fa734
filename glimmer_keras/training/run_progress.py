from __future__ import annotations

import logging
import time
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from glimmer_keras.models.hosts import hosts
from glimmer_keras.training.step_callback import StepCallback

logger = logging.getLogger("glimmer_keras")


class RunProgress(StepCallback):
    """One progress bar for a whole run: steps, loss, steps a second, time left.

    A context manager around all calls of `fit` of the run, each with `verbose=0`. Where the
    output is no terminal, it is a line of the log every few steps. Of several hosts the first one
    shows it.

    Args:
        steps: Steps of the run, those done before among them.
        start_step: Steps that were done before, as `Checkpoints.restore` gives them.
        every: Steps from one line to the next, where there is no bar.

    Example:
    ```python
    with RunProgress(10_000, step) as progress:
        glimmer.fit(batches, steps_per_epoch=10_000 - step, verbose=0, callbacks=[progress])
    ```
    """

    def __init__(self, steps: int, start_step: int = 0, every: int = 100) -> None:
        super().__init__(start_step)
        if steps < start_step:
            raise ValueError(
                f"`steps` must be at least the {start_step} done before. Received: steps={steps}"
            )
        if every < 1:
            raise ValueError(f"`every` must be at least 1. Received: every={every}")
        self.steps = steps
        self.every = every
        self._told = start_step
        self._clock: tuple[int, float] | None = None
        self._is_first = hosts()[0] == 0
        console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[count]}"),
            TimeRemainingColumn(),
            console=console,
            disable=not (console.is_terminal and self._is_first),
        )
        self._task = self._bar.add_task("Training", total=steps, completed=start_step, count="")

    def __enter__(self) -> RunProgress:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        super().on_train_batch_end(batch, logs)
        now = time.perf_counter()
        count = f"{self.step:,}/{self.steps:,} steps"
        if logs and "loss" in logs:
            count += f", loss {logs['loss']:.4f}"
        if self._clock is None:
            self._clock = self.step, now  # The first step compiles.
        else:
            step, started = self._clock
            count += f", {(self.step - step) / max(now - started, 1e-9):.3g} a second"
        self._bar.update(self._task, completed=self.step, count=count)
        due = self.step // self.every > self._told // self.every or self.step == self.steps
        if self._bar.disable and self._is_first and due:
            self._told = self.step
            logger.info("Training: %s", count)
