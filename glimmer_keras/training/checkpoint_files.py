"""The files of one checkpoint of `Checkpoints`."""

import json
import logging
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np

from glimmer_keras.data.sync import sync, write_text
from glimmer_keras.models import Glimmer

logger = logging.getLogger("glimmer_keras")

FORMAT_VERSION = 1
MANIFEST = "manifest.json"
WEIGHTS = "model.weights.h5"
RANDOM = "random.npz"


def write_checkpoint(path: Path, model: Glimmer, manifest: dict[str, Any]) -> None:
    """Write a folder with the state of a model, and a manifest with what is given of it.

    Raises:
        FloatingPointError: If a weight or the optimizer's state is not finite.
    """
    _check_finite(model, manifest["step"])
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in path.parent.glob(".step-*"):
        shutil.rmtree(left)
    with tempfile.TemporaryDirectory(prefix=".step-", dir=path.parent) as temporary:
        work = Path(temporary) / "new"
        work.mkdir()
        model.save_weights(work / WEIGHTS)
        states = [keras.ops.convert_to_numpy(state) for state in _random_states(model)]
        np.savez(work / RANDOM, *states)
        for name in (WEIGHTS, RANDOM):
            sync(work / name)
        state = {
            "format_version": FORMAT_VERSION,
            "backend": keras.backend.backend(),
            "iterations": int(keras.ops.convert_to_numpy(model.optimizer.iterations)),
            "config": _config(model),
            "files": {name: (work / name).stat().st_size for name in (WEIGHTS, RANDOM)},
        }
        write_manifest(work, {**state, **manifest})
        if path.exists():  # One that is not complete.
            os.rename(path, Path(temporary) / "old")
        os.rename(work, path)
    sync(path.parent)


def write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    """Write the manifest whole or not at all."""
    write_text(folder / MANIFEST, json.dumps(manifest, indent=2))


def read_manifest(path: Path) -> dict[str, Any] | None:
    """The manifest of a folder that has all its files, else `None`."""
    try:
        manifest = json.loads((path / MANIFEST).read_text())
        sizes = {name: (path / name).stat().st_size for name in manifest["files"]}
    except (OSError, ValueError, KeyError) as error:
        logger.warning("%s is not complete and is passed over: %s", path, error)
        return None
    if sizes == manifest["files"]:
        return manifest
    logger.warning("%s is not complete and is passed over: %s", path, sizes)
    return None


def load_checkpoint(
    path: Path, manifest: dict[str, Any], model: Glimmer, data: dict[str, Any] | None
) -> None:
    """Load a folder's state into a model that is configured as the one that was saved.

    Raises:
        ValueError: If it is not, or `data` differ, or the folder is of another format.
    """
    _check_manifest(path, manifest, model, data)
    # Keras passes over an optimizer without variables.
    if not model.optimizer.built:
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


def _check_manifest(
    path: Path, manifest: dict[str, Any], model: Glimmer, data: dict[str, Any] | None
) -> None:
    if manifest["format_version"] != FORMAT_VERSION:
        raise ValueError(
            f"{path}: `format_version` must be {FORMAT_VERSION}. "
            f"Received: {manifest['format_version']}"
        )
    _check_same(path, "`model` must be configured", manifest["config"], _config(model))
    saved = manifest.get("data")
    if saved is not None and data is not None:
        _check_same(path, "`data` must be", saved, data)


def _check_same(path: Path, what: str, saved: dict[str, Any], given: dict[str, Any]) -> None:
    names = [name for name in {**saved, **given} if saved.get(name) != given.get(name)]
    if names:
        raise ValueError(
            f"{path}: {what} as the one that was saved: "
            + ", ".join(f"{name}={saved.get(name)!r}" for name in names)
            + ". Received: "
            + ", ".join(f"{name}={given.get(name)!r}" for name in names)
        )


def _check_finite(model: Glimmer, step: int) -> None:
    variables = [*model.trainable_variables, *model.optimizer.variables]
    for variable in variables:
        if not np.isfinite(keras.ops.convert_to_numpy(variable)).all():
            raise FloatingPointError(
                f"Weights and optimizer must be finite to be saved. Received: {variable.path} that "
                f"is not, after step {step}"
            )


def _config(model: Glimmer) -> dict[str, Any]:
    """What weights and optimizer state depend on, as JSON gives it back."""
    config = {**model.backbone.get_config(), "optimizer": _optimizer_name(model.optimizer)}
    config.pop("name", None)
    return json.loads(json.dumps(config))


def _optimizer_name(optimizer: keras.optimizers.Optimizer) -> str:
    name = type(optimizer).__name__
    inner = getattr(optimizer, "inner_optimizer", None)
    return name if inner is None else f"{name}({_optimizer_name(inner)})"


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
