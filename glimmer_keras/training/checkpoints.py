import json
import logging
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np

from glimmer_keras.data.sync import sync
from glimmer_keras.models import Glimmer

logger = logging.getLogger("glimmer_keras")

FORMAT_VERSION = 1
MANIFEST = "manifest.json"
WEIGHTS = "model.weights.h5"
RANDOM = "random.npz"


class Checkpoints(keras.callbacks.Callback):
    """Keeps a training run on disk, so that it goes on as if it had never been stopped.

    A checkpoint is a folder `step-00000500` with the weights, the optimizer and the state of
    every random generator of the model. It is written under another name and renamed when all
    is there, so a run killed at any time leaves the checkpoints before it.

    Args:
        directory: Where they are kept, of one run only. Made when the first is written.
        save_every: Steps from one to the next; the end of `fit` has one too.
        keep: Number of checkpoints kept, the newest ones.

    Example:
    ```python
    glimmer.compile()
    checkpoints = Checkpoints("run/checkpoints", save_every=500)
    step = checkpoints.restore(glimmer)
    batches = mixture(tasks, corpus, batch_size=8, start_step=step)
    glimmer.fit(batches, steps_per_epoch=10_000 - step, callbacks=[checkpoints])
    ```
    """

    def __init__(self, directory: str | Path, save_every: int, keep: int = 2) -> None:
        super().__init__()
        for name, value in (("save_every", save_every), ("keep", keep)):
            if value < 1:
                raise ValueError(f"`{name}` must be at least 1. Received: {name}={value}")
        self.directory = Path(directory)
        self.save_every = save_every
        self.keep = keep
        self.step = 0
        self._saved = 0
        self._batch = -1

    def latest_step(self) -> int | None:
        """Step of the newest complete checkpoint, `None` where there is none."""
        return max(self._complete(), default=None)

    def restore(self, model: Glimmer) -> int:
        """Load the newest complete checkpoint into a model.

        Args:
            model: A `Glimmer`, configured and compiled as the one that was saved.

        Returns:
            The step to go on from; 0, and the model as it was, where there is no checkpoint.

        Raises:
            ValueError: If the model or its optimizer is not configured as the one that was
                saved, or the checkpoint is of another format.
        """
        step = self.latest_step()
        if step is None:
            return 0
        path = self._path(step)
        manifest = self._complete()[step]
        _check_manifest(path, manifest, model)
        # Keras passes over an optimizer without variables.
        model.optimizer.build(model.trainable_variables)
        model.load_weights(path / WEIGHTS)
        iterations = int(keras.ops.convert_to_numpy(model.optimizer.iterations))
        if iterations != manifest["iterations"]:
            raise ValueError(
                f"{path}: the optimizer must hold {manifest['iterations']} iterations. "
                f"Received: {iterations}"
            )
        _load_random(model, path / RANDOM)
        if manifest["backend"] != keras.backend.backend():
            logger.warning(
                "%s was written on %s: numbers and dropout on %s are not the same",
                path,
                manifest["backend"],
                keras.backend.backend(),
            )
        self.step = self._saved = step
        return step

    def on_train_begin(self, logs: Any = None) -> None:
        latest = self.latest_step()
        if latest is not None and latest > self.step:
            raise ValueError(
                "`directory` must be new, or its checkpoint be restored before `fit`. "
                f"Received: a checkpoint of step {latest} in {str(self.directory)!r}, "
                f"the model is at step {self.step}"
            )

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._batch = -1

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        # With `steps_per_execution` some batches are not called for.
        self.step += batch - self._batch
        self._batch = batch
        if self.step // self.save_every > self._saved // self.save_every:
            self._save()

    def on_train_end(self, logs: Any = None) -> None:
        if self.step > self._saved:
            self._save()

    def _save(self) -> None:
        model = self.model  # On JAX, asking for it brings its variables up to date.
        self.directory.mkdir(parents=True, exist_ok=True)
        for left in self.directory.glob(".step-*"):
            shutil.rmtree(left)
        path = self._path(self.step)
        with tempfile.TemporaryDirectory(prefix=".step-", dir=self.directory) as temporary:
            work = Path(temporary) / "new"
            work.mkdir()
            model.save_weights(work / WEIGHTS)
            states = [keras.ops.convert_to_numpy(state) for state in _random_states(model)]
            np.savez(work / RANDOM, *states)
            manifest = {
                "format_version": FORMAT_VERSION,
                "step": self.step,
                "backend": keras.backend.backend(),
                "iterations": int(keras.ops.convert_to_numpy(model.optimizer.iterations)),
                "config": _config(model),
                "files": {name: (work / name).stat().st_size for name in (WEIGHTS, RANDOM)},
            }
            (work / MANIFEST).write_text(json.dumps(manifest, indent=2))
            for name in (WEIGHTS, RANDOM, MANIFEST):
                sync(work / name)
            sync(work)
            if path.exists():  # One that is not complete.
                os.rename(path, Path(temporary) / "old")
            os.rename(work, path)
        sync(self.directory)
        self._saved = self.step
        for step in sorted(self._complete())[: -self.keep]:
            removed = self.directory / f".{self._path(step).name}"
            os.rename(self._path(step), removed)
            shutil.rmtree(removed)

    def _path(self, step: int) -> Path:
        return self.directory / f"step-{step:08d}"

    def _complete(self) -> dict[int, dict[str, Any]]:
        """Manifests of the checkpoints that have all their files, by step."""
        found = {}
        for path in self.directory.glob("step-*"):
            try:
                manifest = json.loads((path / MANIFEST).read_text())
                sizes = {name: (path / name).stat().st_size for name in manifest["files"]}
            except (OSError, ValueError, KeyError) as error:
                logger.warning("%s is not complete and is passed over: %s", path, error)
                continue
            if sizes == manifest["files"]:
                found[int(manifest["step"])] = manifest
            else:
                logger.warning("%s is not complete and is passed over: %s", path, sizes)
        return found


def _check_manifest(path: Path, manifest: dict[str, Any], model: Glimmer) -> None:
    if manifest["format_version"] != FORMAT_VERSION:
        raise ValueError(
            f"{path}: `format_version` must be {FORMAT_VERSION}. "
            f"Received: {manifest['format_version']}"
        )
    saved, config = manifest["config"], _config(model)
    names = [name for name in {**saved, **config} if saved.get(name) != config.get(name)]
    if names:
        raise ValueError(
            f"{path}: `model` must be configured as the one that was saved: "
            + ", ".join(f"{name}={saved.get(name)!r}" for name in names)
            + ". Received: "
            + ", ".join(f"{name}={config.get(name)!r}" for name in names)
        )


def _config(model: Glimmer) -> dict[str, Any]:
    """What weights and optimizer state depend on, as JSON gives it back."""
    config = {**model.backbone.get_config(), "optimizer": type(model.optimizer).__name__}
    config.pop("name", None)
    return json.loads(json.dumps(config))


def _random_states(model: Glimmer) -> list[Any]:
    """Variables of the seed generators, which Keras leaves out of a weights file."""
    weights = {id(weight) for weight in model.weights}
    return [variable for variable in model.variables if id(variable) not in weights]


def _load_random(model: Glimmer, path: Path) -> None:
    states = _random_states(model)
    with np.load(path, allow_pickle=False) as saved:
        if len(saved.files) != len(states):
            raise ValueError(
                f"{path}: must hold {len(states)} random generators. Received: {len(saved.files)}"
            )
        for name, state in zip(saved.files, states, strict=True):
            state.assign(saved[name].astype(state.dtype))
