import contextlib
import json
import logging
import math
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import keras

from glimmer_keras.distribution.hosts import first_host_first, from_hosts, hosts
from glimmer_keras.training.checkpoint_files import (
    Writer,
    check_finite,
    check_model,
    load_state,
    read_checkpoint_manifest,
    refuse_first_format,
    replace_checkpoint_manifest,
)
from glimmer_keras.training.noted_signals import noted_signals
from glimmer_keras.training.step_callback import StepCallback
from glimmer_keras.utils.checks import check_integer
from glimmer_keras.utils.files import remove_folder
from glimmer_keras.utils.manifest import CorruptFileError

logger = logging.getLogger("glimmer_keras")


class Checkpoints(StepCallback):
    """Keeps a training run on disk, so that it goes on as if it had never been stopped.

    A checkpoint is a folder `step_00000500` with the weights, the optimizer, the state of every
    random generator of the model and the step, which is also the data's position: that of
    `mixture(start_step=...)`, in batches, however many of them an update or a call takes. Orbax
    writes it while training goes on, under another name until all is there, so a run killed at any
    time leaves the checkpoints before it. It is read on any number of devices (JAX). What is not
    finite is not saved. Of several hosts each writes what it holds (JAX) or the first writes, and
    all read: the directory is on a disk that they share.

    Args:
        directory: Where they are kept, of one run only. Made when the first is written.
        save_every: Steps from one to the next; the end of `fit` has one too.
        keep: Number of checkpoints kept, the newest ones.
        monitor: A name in the logs of an epoch, say `"val_average"` of a callback listed before:
            the best checkpoints by it are kept too, and the end of an epoch that is among them has
            one. `None` keeps the newest only.
        mode: `"max"` or `"min"`: what is best.
        keep_best: Number of the best kept.
        data: What the batches depend on, as plain values: batch size, seed, fingerprints of the
            tasks. Kept with each checkpoint, which is not restored with others. `None` for not
            compared.
        exchange_every: Steps after which several hosts tell each other of signals, which has each
            wait for all.

    Example:
    ```python
    glimmer.compile()
    data = {"batch_size": 8, "seed": 0}
    checkpoints = Checkpoints("run/checkpoints", save_every=500, data=data)
    step = checkpoints.restore(glimmer)
    batches = mixture(tasks, corpus, **data, start_step=step)
    with checkpoints.stop_on_signals():
        glimmer.fit(batches, steps_per_epoch=10_000 - step, callbacks=[checkpoints])
    if checkpoints.stopped_by:
        sys.exit(f"{checkpoints.stopped_by}: stopped after step {checkpoints.step}")
    ```
    """

    def __init__(
        self,
        directory: str | Path,
        save_every: int,
        keep: int = 2,
        *,
        monitor: str | None = None,
        mode: str = "max",
        keep_best: int = 1,
        data: Mapping[str, Any] | None = None,
        exchange_every: int = 10,
    ) -> None:
        super().__init__()
        counts = {"save_every": save_every, "keep": keep, "keep_best": keep_best}
        for name, value in {**counts, "exchange_every": exchange_every}.items():
            check_integer(name, value)
        if mode not in ("max", "min"):
            raise ValueError(f'`mode` must be "max" or "min". Received: mode={mode!r}')
        self.directory = Path(directory)
        self.save_every = save_every
        self.keep = keep
        self.monitor = monitor
        self.mode = mode
        self.keep_best = keep_best
        self.data = None if data is None else json.loads(json.dumps(dict(data)))
        self.stopped_by: str | None = None
        self.exchange_every = exchange_every
        self._heard = 0
        self._saved = 0
        self._damaged: set[int] = set()
        self._writer: Writer | None = None

    def latest_step(self) -> int | None:
        """Step of the newest complete checkpoint, `None` where there is none."""
        self.wait()
        return max(self._complete(), default=None)

    def best_step(self) -> int | None:
        """Step of the best checkpoint by `monitor`, `None` where there is none."""
        self.wait()
        return next(iter(self._best(self._complete())), None)

    @contextlib.contextmanager
    def stop_on_signals(self) -> Iterator[None]:
        """Have SIGTERM or SIGINT leave `fit` with a checkpoint, in a `with` block around it.

        The running step ends and is saved, before anything else, and `fit` returns, on all hosts
        if one has the signal; `stopped_by` names it. Another one does what it did before the block.
        If it comes between two calls of `fit`, the next one leaves after a step. Several hosts
        end up to `exchange_every` steps more, to stop after the same one.
        """
        self.stopped_by = None
        self._heard = 0
        with noted_signals(self._note):
            try:
                yield
            finally:
                self.wait()

    def wait(self) -> None:
        """Wait until what is being saved is on the disk; its errors are raised.

        The end of `fit` does, and that of `stop_on_signals`, also where `fit` has raised.
        """
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()
            if hosts()[0] == 0:
                self._remove_old()

    def restore(self, model: keras.Model, step: int | None = None) -> int:
        """Load a checkpoint into a model.

        Args:
            model: A model, configured, built and compiled as the one that was saved.
            step: Which one, say `best_step()`; `None` for the newest that is complete. Training
                goes on from the newest only.

        Returns:
            The step to go on from; 0, and the model as it was, where there is no checkpoint.

        Raises:
            ValueError: If the model or its optimizer is not configured as the one that was
                saved, or `data` is not what it was, or the checkpoint is of another format, or
                `step` has none.
        """
        self.wait()
        complete = self._complete()
        if step is not None and step not in complete:
            raise ValueError(f"`step` must be one of {sorted(complete)}. Received: step={step}")
        if step is None and not complete:
            return 0
        for number in sorted(complete, reverse=True) if step is None else [step]:
            path, manifest = self._path(number), complete[number]
            check_model(path, manifest, model, self.data)
            try:
                load_state(path, manifest, model)
            except (OSError, ValueError) as error:
                logger.warning("%s is damaged and is passed over: %.300s", path, error)
                self._damaged.add(number)
                continue
            self.step = self._saved = number
            return number
        raise CorruptFileError(
            f"`directory` must have a checkpoint that can be read. Received: {self.directory}, "
            f"where all are damaged: {sorted(self._damaged)}"
        )

    def on_train_begin(self, logs: Any = None) -> None:
        latest = self.latest_step()
        if latest is not None and latest > self.step:
            raise ValueError(
                "`directory` must be new, or its checkpoint be restored before `fit`. "
                f"Received: a checkpoint of step {latest} in {str(self.directory)!r}, "
                f"the model is at step {self.step}"
            )

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        before = self.step
        super().on_train_batch_end(batch, logs)
        # A step that ends an epoch is saved after it is measured: killed there, it is again.
        measured = batch + 1 == (self.params or {}).get("steps")
        exchanged = self.step // self.exchange_every > before // self.exchange_every
        stop = (exchanged or hosts()[1] == 1) and self._hear()
        if stop or (self._is_due and not measured):
            self._save()
        if stop:
            self.wait()
            self.model.stop_training = True

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        value, complete = (logs or {}).get(self.monitor), {}
        if value is not None:
            self.wait()
            complete = self._complete()
        score = self._new_score(value, complete)
        is_there = self._saved == self.step and self.step in complete
        # The first host decides for all, before it writes what the others have looked at.
        what = from_hosts(bool(score) + 2 * is_there)[0]
        if what == 3:
            with first_host_first() as first:
                if first:
                    manifest = {**complete[self.step], "score": score}
                    replace_checkpoint_manifest(self._path(self.step), manifest)
                    self._remove_old()
        elif what == 1 or self._is_due:
            self._save(score)
        if self._hear():
            self.model.stop_training = True

    def on_train_end(self, logs: Any = None) -> None:
        if self.step > self._saved:
            self._save()
        self.wait()
        self._hear()

    @property
    def _is_due(self) -> bool:
        return self.step // self.save_every > self._saved // self.save_every

    @property
    def _sign(self) -> int:
        return 1 if self.mode == "max" else -1

    def _note(self, name: str) -> None:
        self._heard = int(signal.Signals[name])
        logger.warning(
            "%s: the run is saved after this step and ends; another one ends it at once", name
        )

    def _hear(self) -> bool:
        """Whether a host has had a signal, which all then know."""
        if heard := max(from_hosts(self._heard)):
            self.stopped_by = signal.Signals(heard).name
        return heard > 0

    def _save(self, score: dict[str, Any] | None = None) -> None:
        model = self.model  # On JAX, asking for it brings its variables up to date.
        check_finite(model, self.step)
        manifest: dict[str, Any] = {"step": self.step, "data": self.data}
        if score is not None:
            manifest["score"] = score
        if keras.backend.backend() == "jax":
            self._write(model, manifest)
        else:
            with first_host_first() as first:
                if first:
                    self._write(model, manifest)
        self._saved = self.step

    def _write(self, model: keras.Model, manifest: dict[str, Any]) -> None:
        if self._writer is None:
            self._writer = Writer(self.directory)
        self._writer.wait()
        if hosts()[0] == 0:
            self._remove_old()
        self._damaged.discard(self.step)
        self._writer.write(self._path(self.step), model, manifest)

    def _new_score(
        self, value: float | None, complete: dict[int, dict[str, Any]]
    ) -> dict[str, Any] | None:
        """What is noted of a value of `monitor`, if it is among the best."""
        if value is None or not math.isfinite(value):
            return None
        best = [complete[step]["score"]["value"] for step in self._best(complete)]
        if len(best) == self.keep_best and self._sign * value <= self._sign * best[-1]:
            return None
        return {"name": self.monitor, "value": float(value)}

    def _remove_old(self) -> None:
        complete = self._complete()
        kept = {*sorted(complete)[-self.keep :], *self._best(complete)}
        for step in complete.keys() - kept:
            remove_folder(self._path(step))

    def _best(self, complete: dict[int, dict[str, Any]]) -> list[int]:
        """Steps of the best by `monitor`, best first; of equals the earlier."""
        scores = {step: manifest.get("score") for step, manifest in complete.items()}
        values = {
            step: self._sign * score["value"]
            for step, score in scores.items()
            if score and score["name"] == self.monitor
        }
        return sorted(values, key=lambda step: (-values[step], step))[: self.keep_best]

    def _path(self, step: int) -> Path:
        return self.directory / f"step_{step:08d}"

    def _complete(self) -> dict[int, dict[str, Any]]:
        """Manifests of the checkpoints that have all their files, by step."""
        refuse_first_format(self.directory)
        paths = [path for path in self.directory.glob("step_*") if path.name[5:].isdigit()]
        manifests = filter(None, map(read_checkpoint_manifest, paths))
        steps = {int(manifest["step"]): manifest for manifest in manifests}
        return {step: steps[step] for step in steps.keys() - self._damaged}
