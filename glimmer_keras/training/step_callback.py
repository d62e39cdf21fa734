from typing import Any

import keras

from glimmer_keras.utils.checks import check_integer


class StepCallback(keras.callbacks.Callback):
    """Counts the steps of a run, batches of all its calls of `fit`.

    Args:
        start_step: Steps that were done before, as `Checkpoints.restore` gives them.
    """

    def __init__(self, start_step: int = 0) -> None:
        super().__init__()
        check_integer("start_step", start_step, 0)
        self.step = start_step
        self._batch = -1

    @property
    def epoch_is_cut(self) -> bool:
        """Whether this epoch was stopped before its last batch."""
        steps = (self.params or {}).get("steps")
        return bool(steps and self._batch + 1 < steps and self.model.stop_training)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._batch = -1

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        # With `steps_per_execution` some batches are not called for.
        self.step += batch - self._batch
        self._batch = batch
