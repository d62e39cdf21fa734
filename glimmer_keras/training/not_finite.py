import logging
import math
from typing import Any

import numpy as np
from keras import ops

from glimmer_keras.optimizers.skipping_optimizer import SkippingOptimizer
from glimmer_keras.training.step_callback import StepCallback
from glimmer_keras.utils.checks import check_integer

logger = logging.getLogger("glimmer_keras")

ACTIONS = ("stop", "skip")


class NotFinite(StepCallback):
    """Stops the run, or tells of the steps that were skipped, where a loss is not finite.

    List it before `TrainingLog`. With `"stop"` no callback after it sees such a step.

    With `"skip"` the model must be compiled with a `SkippingOptimizer`, which leaves the updates
    out. Each is a warning that names the step and the losses; metrics are as if the step had not
    been, and the logs get `skipped_steps`: how many there were since the optimizer was new. For
    that the metrics are read before each step and a counter after it.

    Args:
        action: `"stop"` or `"skip"`.
        in_a_row: Number of skipped steps, one after the other, that stop the run.
        start_step: Steps that were done before, as `Checkpoints.restore` gives them.

    Raises:
        ValueError: If an argument does not fit; and when `fit` begins, if the model has another
            optimizer.
        FloatingPointError: Out of `fit`, where the run is to stop. It names the step and the
            means of the losses, in which that step is. Nothing of it is saved.
    """

    def __init__(self, action: str = "stop", in_a_row: int = 10, start_step: int = 0) -> None:
        super().__init__(start_step)
        if action not in ACTIONS:
            raise ValueError(f"`action` must be one of {ACTIONS}. Received: action={action!r}")
        check_integer("in_a_row", in_a_row)
        self.action = action
        self.in_a_row = in_a_row
        self._row = 0
        self._updates = 0
        self._metrics: list[np.ndarray] = []

    def on_train_begin(self, logs: Any = None) -> None:
        if self.action == "stop":
            return
        optimizer = self.model.optimizer
        if not isinstance(optimizer, SkippingOptimizer):
            raise ValueError(
                "`action='skip'` must go with `compile(SkippingOptimizer(...))`. "
                f"Received: optimizer={type(optimizer).__name__}"
            )
        self._updates = int(ops.convert_to_numpy(optimizer.updates))

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        if self.action == "skip":
            self._metrics = [ops.convert_to_numpy(v) for v in self.model.metrics_variables]

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        before = self.step
        super().on_train_batch_end(batch, logs)
        if self.action == "skip":
            self._skip(self.step - before, logs)
        elif not math.isfinite(logs["loss"]):
            raise FloatingPointError(
                f"The loss is not finite at step {self.step}: {_losses(logs)}. The run can go on "
                "from a checkpoint before it, with a lower learning rate, clipped gradients or "
                "`NotFinite('skip')`"
            )

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if self.action == "skip" and logs is not None:
            logs["skipped_steps"] = self.step - self._updates

    def _skip(self, steps: int, logs: dict[str, Any]) -> None:
        model = self.model  # On JAX, asking for it brings its variables up to date.
        updates = int(ops.convert_to_numpy(model.optimizer.updates))
        skipped = steps - (updates - self._updates)
        self._updates = updates
        self._row = self._row + skipped if skipped == steps else 0
        losses = _losses(logs)
        if skipped:
            which = f"Step {self.step}" if steps == 1 else f"{skipped} of {steps} to {self.step}"
            logger.warning("%s: not finite, its update is left out: %s", which, losses)
            for variable, value in zip(model.metrics_variables, self._metrics, strict=True):
                variable.assign(value)
            if any(value.any() for value in self._metrics):  # a mean of steps before
                means = model.get_metrics_result()
                logs.update({name: float(ops.convert_to_numpy(x)) for name, x in means.items()})
        logs["skipped_steps"] = self.step - updates
        if self._row >= self.in_a_row:
            raise FloatingPointError(
                f"{self._row} steps in a row are not finite, the last is step {self.step}: {losses}"
            )


def _losses(logs: dict[str, Any]) -> str:
    return ", ".join(f"{name}={logs[name]:.4g}" for name in logs if name.endswith("loss"))
