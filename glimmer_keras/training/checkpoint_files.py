"""The files of one checkpoint of `Checkpoints`."""

import json
import logging
from pathlib import Path
from typing import Any

import keras
import numpy as np

from glimmer_keras.utils.files import new_folder, remove_folder
from glimmer_keras.utils.manifest import CorruptFileError, differences
from glimmer_keras.utils.manifest import read_manifest as read_manifest_of
from glimmer_keras.utils.manifest import write_manifest as write_manifest_of

logger = logging.getLogger("glimmer_keras")

VERSION = 1
WEIGHTS = "model.weights.h5"
RANDOM = "random.npz"


def write_checkpoint(path: Path, model: keras.Model, manifest: dict[str, Any]) -> None:
    """Write a folder with the state of a model, and a manifest with what is given of it.

    Raises:
        FloatingPointError: If a weight or the optimizer's state is not finite.
    """
    _check_finite(model, manifest["step"])
    if path.exists():  # One that is not complete.
        remove_folder(path)
    with new_folder(path) as work:
        model.save_weights(work / WEIGHTS)
        states = [keras.ops.convert_to_numpy(state) for state in _random_states(model)]
        np.savez(work / RANDOM, *states)
        state = {
            "backend": keras.backend.backend(),
            "iterations": int(keras.ops.convert_to_numpy(model.optimizer.iterations)),
            "config": _config(model),
            "files": {name: (work / name).stat().st_size for name in (WEIGHTS, RANDOM)},
        }
        write_manifest(work, {**state, **manifest})


def write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    """Write the manifest whole or not at all."""
    write_manifest_of(folder, manifest, VERSION)


def read_manifest(path: Path) -> dict[str, Any] | None:
    """The manifest of a folder that has all its files, else `None`."""
    try:
        manifest = read_manifest_of(path, "a checkpoint", VERSION, ("files", "step"))
        sizes = {name: (path / name).stat().st_size for name in manifest["files"]}
    except (OSError, CorruptFileError, AttributeError) as error:
        logger.warning("%s is not complete and is passed over: %s", path, error)
        return None
    if sizes == manifest["files"]:
        return manifest
    logger.warning("%s is not complete and is passed over: %s", path, sizes)
    return None


def load_checkpoint(
    path: Path, manifest: dict[str, Any], model: keras.Model, data: dict[str, Any] | None
) -> None:
    """Load a folder's state into a model that is configured as the one that was saved.

    Raises:
        ValueError: If it is not, or `data` differ, or the folder is of another format.
    """
    if not model.built or getattr(model, "optimizer", None) is None:
        raise ValueError(
            "`model` must be built and compiled, such as by a call on one batch and `compile`. "
            f"Received: built={model.built}, optimizer={getattr(model, 'optimizer', None)}"
        )
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
    path: Path, manifest: dict[str, Any], model: keras.Model, data: dict[str, Any] | None
) -> None:
    _check_same(path, "`model` must be configured", manifest["config"], _config(model))
    saved = manifest.get("data")
    if saved is not None and data is not None:
        _check_same(path, "`data` must be", saved, data)


def _check_same(path: Path, what: str, saved: dict[str, Any], given: dict[str, Any]) -> None:
    if other := differences(saved, given):
        raise ValueError(f"{path}: {what} as the one that was saved: {other}")


def _check_finite(model: keras.Model, step: int) -> None:
    variables = [*model.trainable_variables, *model.optimizer.variables]
    for variable in variables:
        if not np.isfinite(keras.ops.convert_to_numpy(variable)).all():
            raise FloatingPointError(
                f"Weights and optimizer must be finite to be saved. Received: {variable.path} that "
                f"is not, after step {step}"
            )


def _config(model: keras.Model) -> dict[str, Any]:
    """What weights and optimizer state depend on, as JSON gives it back."""
    if hasattr(model, "backbone"):
        config = model.backbone.get_config()
        config.pop("name", None)
    else:
        config = {"weights": [list(weight.shape) for weight in model.weights]}
    config["optimizer"] = _optimizer_name(model.optimizer)
    return json.loads(json.dumps(config))


def _optimizer_name(optimizer: keras.optimizers.Optimizer) -> str:
    name = type(optimizer).__name__
    inner = getattr(optimizer, "inner_optimizer", None)
    return name if inner is None else f"{name}({_optimizer_name(inner)})"


def _random_states(model: keras.Model) -> list[Any]:
    """Variables of the seed generators, which Keras leaves out of a weights file."""
    weights = {id(weight) for weight in model.weights}
    return [variable for variable in model.variables if id(variable) not in weights]


def _load_random(model: keras.Model, path: Path) -> None:
    states = _random_states(model)
    with np.load(path, allow_pickle=False) as saved:
        if len(saved.files) != len(states):
            raise ValueError(
                f"{path}: must hold {len(states)} random generators. Received: {len(saved.files)}"
            )
        for name, state in zip(saved.files, states, strict=True):
            state.assign(saved[name].astype(state.dtype))
