from collections.abc import Iterable, Mapping
from typing import Any

from glimmer_keras.training.step_callback import StepCallback
from glimmer_keras.utils.checks import check_integer


class TaskLosses(StepCallback):
    """Measures the losses of each task on batches of its own, the same every time.

    At the end of an epoch, without dropout. The logs, and with them `History` and the callbacks
    after this one, get `val_{task}_{name}` for every loss and metric of the model. An epoch that
    was stopped before its end is not measured.

    Args:
        batches: For each task, what `evaluate` takes: a dataset of dev examples that ends.
        every: Epochs from one measurement to the next.

    Example:
    ```python
    dev = {t.name: mixture([t], passages, 8, training=False).take(4) for t in dev_tokens}
    glimmer.fit(batches, callbacks=[TaskLosses(dev), TrainingLog("run/log.csv", 50)])
    ```
    """

    def __init__(self, batches: Mapping[str, Iterable[Any]], every: int = 1) -> None:
        super().__init__()
        if not batches:
            raise ValueError("`batches` must hold at least one task. Received: 0 tasks")
        check_integer("every", every)
        self.batches = dict(batches)
        self.every = every

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if (epoch + 1) % self.every or self.epoch_is_cut:
            return
        for task, batches in self.batches.items():
            losses = self.model.evaluate(batches, verbose=0, return_dict=True)
            if logs is not None:
                logs.update({f"val_{task}_{name}": value for name, value in losses.items()})
