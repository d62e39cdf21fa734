"""The files of one checkpoint of `Checkpoints`, which Orbax writes and reads."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path
from typing import Any

import keras
import numpy as np

from glimmer_keras.distribution.hosts import from_hosts, hosts
from glimmer_keras.utils.files import write_file
from glimmer_keras.utils.manifest import (
    CorruptFileError,
    decode_manifest,
    differences,
    encode_manifest,
    read_manifest,
)

logger = logging.getLogger("glimmer_keras")

VERSION = 2
# Orbax's items of a checkpoint. The second is JSON, in a file of this name.
STATE, MANIFEST, METADATA = "state", "manifest", "metadata"


class Writer:
    """Writes checkpoints of one folder in the background, each host the parts that it holds.

    Args:
        folder: The folder. What a killed process left of a checkpoint is cleared away.
    """

    def __init__(self, folder: Path) -> None:
        self._orbax = _orbax()
        if hosts()[0] == 0:
            for left in folder.glob("step_*.orbax-checkpoint-tmp*"):
                shutil.rmtree(left)
        handler = self._orbax.CompositeCheckpointHandler()
        self._checkpointer = self._orbax.AsyncCheckpointer(handler)

    def write(self, path: Path, model: keras.Model, manifest: dict[str, Any]) -> None:
        """Begin to write a folder, which gets its name when all of it is on the disk.

        The model may change when this returns. The one before is waited for, and its errors raised.
        """
        args = self._orbax.args
        content = {
            "backend": keras.backend.backend(),
            "config": _config(model),
            "variables": [[v.path, list(v.shape)] for v in _variables(model)],
            **manifest,
        }
        items = args.Composite(
            state=args.StandardSave(_state(model)),
            manifest=args.JsonSave(json.loads(encode_manifest(content, VERSION))),
        )
        self._checkpointer.save(path.absolute(), args=items, force=True)

    def wait(self) -> None:
        """Wait until what was begun is on the disk; errors of it are raised."""
        self._checkpointer.wait_until_finished()

    def close(self) -> None:
        """Wait, and end the threads."""
        self._checkpointer.close()


def check_finite(model: keras.Model, step: int) -> None:
    """Raise FloatingPointError on all hosts if a weight or the optimizer's state is not finite."""
    variables = [*model.trainable_variables, *model.optimizer.variables]
    wrong = next((v.path for v in variables if not _is_finite(v)), None)
    if any(from_hosts(int(wrong is not None))):
        raise FloatingPointError(
            f"Weights and optimizer must be finite to be saved. Received: "
            f"{wrong or 'a variable of another host'} that is not, after step {step}"
        )


def read_checkpoint_manifest(path: Path) -> dict[str, Any] | None:
    """The manifest of a checkpoint, `None` if it is not complete.

    Raises:
        ValueError: If it is of another format.
    """
    file = path / MANIFEST / METADATA
    try:
        if not (path / STATE).is_dir():
            raise FileNotFoundError(f"{path / STATE} is not there")
        return decode_manifest(file.read_bytes(), str(file), VERSION, ("step", "variables"))
    except (OSError, CorruptFileError) as error:
        logger.warning("%s is not complete and is passed over: %s", path, error)
        return None


def refuse_first_format(folder: Path) -> None:
    """Raise ValueError if a folder has checkpoints of before Orbax wrote them."""
    for path in folder.glob("step-*/manifest.json"):
        read_manifest(path.parent, "a checkpoint", VERSION)


def replace_checkpoint_manifest(path: Path, manifest: dict[str, Any]) -> None:
    """Write the manifest of a complete checkpoint anew, whole or not at all."""
    write_file(path / MANIFEST / METADATA, encode_manifest(manifest, VERSION))


def check_model(
    path: Path, manifest: dict[str, Any], model: keras.Model, data: dict[str, Any] | None
) -> None:
    """Make a model ready for a checkpoint.

    Raises:
        ValueError: If it is not configured as the one that was saved, or `data` differ.
    """
    if not model.built or getattr(model, "optimizer", None) is None:
        raise ValueError(
            "`model` must be built and compiled, such as by a call on one batch and `compile`. "
            f"Received: built={model.built}, optimizer={getattr(model, 'optimizer', None)}"
        )
    _check_same(path, "`model` must be configured", manifest["config"], _config(model))
    saved = manifest.get("data")
    if saved is not None and data is not None:
        _check_same(path, "`data` must be", saved, data)
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    shapes = [list(variable.shape) for variable in _variables(model)]
    saved = [shape for _, shape in manifest["variables"]]
    if saved != shapes:
        raise ValueError(
            f"{path}: `model` must have the variables of the one that was saved, of the shapes "
            f"{saved}. Received: {shapes}"
        )


def load_state(path: Path, manifest: dict[str, Any], model: keras.Model) -> None:
    """Load a checkpoint into a model that `check_model` has found to fit.

    Raises:
        OSError, ValueError: If the files are damaged. The model is as it was.
    """
    targets = [_target(variable) for variable in _variables(model)]
    with _orbax().StandardCheckpointer() as checkpointer:
        values = checkpointer.restore((path / STATE).absolute(), targets)
    for variable, value in zip(_variables(model), values, strict=True):
        variable.assign(value)
    if manifest["backend"] != keras.backend.backend():
        logger.warning(
            "%s was written on %s: numbers and dropout on %s are not the same",
            path,
            manifest["backend"],
            keras.backend.backend(),
        )


def _orbax() -> Any:
    if keras.backend.backend() != "jax":
        import jax

        # Orbax looks at JAX's devices: a GPU is the other backend's.
        jax.config.update("jax_platforms", "cpu")
    import orbax.checkpoint

    return orbax.checkpoint


def _variables(model: keras.Model) -> list[Any]:
    """Weights, the state of seed generators, and the optimizer's, always in the same order."""
    return [*model.variables, *model.optimizer.variables]


def _state(model: keras.Model) -> list[Any]:
    if keras.backend.backend() == "jax":
        return [variable.value for variable in _variables(model)]
    return [_as_saved(keras.ops.convert_to_numpy(variable)) for variable in _variables(model)]


def _as_saved(value: np.ndarray) -> Any:
    """An array that nothing changes, which Orbax writes in the background if it is JAX's."""
    value = value if value.flags.owndata else value.copy()
    if not np.issubdtype(value.dtype, np.floating):  # JAX would make it of 32 bits.
        return value
    import jax

    return jax.numpy.asarray(value)


def _target(variable: Any) -> Any:
    """What a variable is read as: in a distribution of JAX each device's part."""
    if keras.backend.backend() != "jax" or keras.distribution.distribution() is None:
        return np.empty(variable.shape, keras.ops.convert_to_numpy(variable).dtype)
    import jax

    return jax.ShapeDtypeStruct(
        variable.shape, variable.value.dtype, sharding=variable.value.sharding
    )


def _is_finite(variable: Any) -> bool:
    """Whether the parts are that this host holds."""
    if keras.backend.backend() != "jax":
        return bool(np.isfinite(keras.ops.convert_to_numpy(variable)).all())
    parts = (shard.data for shard in variable.value.addressable_shards if shard.replica_id == 0)
    return all(np.isfinite(np.asarray(part)).all() for part in parts)


def _check_same(path: Path, what: str, saved: dict[str, Any], given: dict[str, Any]) -> None:
    if other := differences(saved, given):
        raise ValueError(f"{path}: {what} as the one that was saved: {other}")


def _config(model: keras.Model) -> dict[str, Any]:
    """What weights and optimizer state depend on, as JSON gives it back."""
    config = dict(model.backbone.get_config()) if hasattr(model, "backbone") else {}
    config.pop("name", None)
    config["optimizer"] = _optimizer_name(model.optimizer)
    return json.loads(json.dumps(config))


def _optimizer_name(optimizer: keras.optimizers.Optimizer) -> str:
    name = type(optimizer).__name__
    inner = getattr(optimizer, "inner_optimizer", None)
    return name if inner is None else f"{name}({_optimizer_name(inner)})"
