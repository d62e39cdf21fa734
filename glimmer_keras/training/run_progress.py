from __future__ import annotations

from types import TracebackType
from typing import Any

from glimmer_keras.distribution.hosts import hosts
from glimmer_keras.training.step_callback import StepCallback
from glimmer_keras.utils.checks import check_integer
from glimmer_keras.utils.progress import Progress


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
        check_integer("every", every)
        self.steps = steps
        self.every = every
        self._is_first_step = True
        show = hosts()[0] == 0
        self._progress = Progress(
            "Training", steps, "steps", show, start_step, every, transient=False
        )

    def __enter__(self) -> RunProgress:
        self._progress.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._progress.__exit__(kind, error, traceback)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        super().on_train_batch_end(batch, logs)
        note = f"loss {logs['loss']:.4f}" if logs and "loss" in logs else ""
        self._progress.advance(note=note)
        if self._is_first_step:
            self._progress.restart_clock()  # It compiles.
            self._is_first_step = False
