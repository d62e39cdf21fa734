import contextlib
import json
import os
from collections.abc import Iterator, Sequence
from typing import Any

import keras

from glimmer_keras.distribution.hosts import hosts

DATA, MODEL = "batch", "model"  # Axes of a device mesh.
NUM_PROCESSES = "KERAS_DISTRIBUTION_NUM_PROCESSES"
HOSTS = (
    "`run.hosts` must be the number of processes that TF_CONFIG (TensorFlow) or "
    "KERAS_DISTRIBUTION_JOB_ADDRESSES, _NUM_PROCESSES and _PROCESS_ID (JAX) tell of."
)


def layout_map(device_mesh: keras.distribution.DeviceMesh) -> keras.distribution.LayoutMap:
    """Give how a Glimmer's weights are split between the devices that hold one copy of it, on JAX.

    As in T5's own training: queries, keys, values and the first half of a feed-forward block by
    columns, that is by heads and by hidden units; what follows them by rows, so that a block needs
    one sum over devices for each half; embeddings and the language model head by tokens of the
    vocabulary. Norms, position biases and the scorer are on every device.

    Args:
        device_mesh: A mesh with an axis `"model"`.

    Example:
    ```python
    mesh = keras.distribution.DeviceMesh((2, 4), ("batch", "model"), devices)
    parallel = keras.distribution.ModelParallel(layout_map=layout_map(mesh), batch_dim_name="batch")
    ```
    """
    if MODEL not in device_mesh.axis_names:
        raise ValueError(
            f"`device_mesh` must have an axis {MODEL!r}. Received: {device_mesh.axis_names}"
        )
    columns, rows = (None, MODEL), (MODEL, None)
    layouts = keras.distribution.LayoutMap(device_mesh)
    layouts[r".*(token|target)_embedding/embeddings"] = rows
    layouts[r".*token_embedding/reverse_embeddings"] = columns
    layouts[r".*attention/(query|key|value)/kernel"] = columns
    layouts[r".*attention/output_projection/kernel"] = rows
    layouts[r".*feed_forward/(gate|up)/kernel"] = columns
    layouts[r".*feed_forward/down/kernel"] = rows
    return layouts


@contextlib.contextmanager
def on_devices(
    model_parallel: int = 1,
    devices: Sequence[str] | None = None,
    *,
    shard_dataset: bool = True,
) -> Iterator[Any]:
    """Put models made and trained within it on several devices, each with a part of the batch.

    On JAX through `keras.distribution`: `DataParallel`, or with `model_parallel` over 1
    `ModelParallel` by `layout_map`, where each weight goes to its devices part by part as it is
    made or loaded, so none ever holds the whole model. On several hosts call
    `keras.distribution.initialize` before. On TensorFlow through `tf.distribute`:
    `MirroredStrategy`, or `MultiWorkerMirroredStrategy` where the environment's TF_CONFIG tells of
    several hosts. A step is the same on any number of devices, but for rounding and dropout.
    `fit` is within it too, and what writes (`Checkpoints`, `replace_preset`), on all hosts.

    Args:
        model_parallel: Devices that share one copy of the model; 1 on TensorFlow. The number of
            devices is a multiple of it, and the batch a multiple of the copies.
        devices: Names as of `keras.distribution.list_devices`, in TensorFlow as of
            `tf.config.list_logical_devices`; `None` for all of this kind of accelerator.
        shard_dataset: Whether the dataset is the same on all hosts, and each takes its part of
            it; `False` where it gives each host its own part, as
            `data.mixture(shard=data_shard())` does.

    Yields:
        The distribution of `keras.distribution`, or `tf.distribute.Strategy`.

    Raises:
        ValueError: If the devices do not fit, or when a weight that would be split is made whose
            size is not a multiple of `model_parallel`.
    """
    backend = keras.backend.backend()
    if backend == "jax":
        distribution = _distribution(model_parallel, devices, shard_dataset)
        with distribution.scope():
            yield distribution
    elif backend == "tensorflow":
        if model_parallel != 1:
            raise ValueError(
                "`model_parallel` must be 1 on TensorFlow; KERAS_BACKEND=jax splits models. "
                f"Received: model_parallel={model_parallel}"
            )
        strategy = _strategy(devices)
        with strategy.scope():
            yield strategy
    else:
        raise ValueError(
            f"`on_devices` must be used on JAX or TensorFlow. Received: KERAS_BACKEND={backend}"
        )


def find_hosts(count: int) -> None:
    """Connect with the other hosts, before anything is made, where there are to be several.

    On TensorFlow TF_CONFIG in the environment tells of them. On JAX this is
    `keras.distribution.initialize`; KERAS_DISTRIBUTION_JOB_ADDRESSES,
    KERAS_DISTRIBUTION_NUM_PROCESSES and KERAS_DISTRIBUTION_PROCESS_ID tell of them, or the TPU,
    unless it was called before.

    Args:
        count: How many there are to be, this one among them.

    Raises:
        ValueError: If there are not as many.
    """
    known = _stated_hosts()
    if keras.backend.backend() == "jax" and count > 1:
        import jax

        try:
            if not jax.distributed.is_initialized():
                keras.distribution.initialize()
        except (ValueError, RuntimeError) as error:
            raise ValueError(f"{HOSTS} Received: {count}, and {error}") from error
        known = hosts()[1]
    if known != count:
        raise ValueError(f"{HOSTS} Received: {count}, where there are {known}")


def _stated_hosts() -> int:
    """Count the hosts that the environment tells of."""
    if keras.backend.backend() == "jax":
        number = os.environ.get(NUM_PROCESSES, "1")
        if not number.isdecimal():
            raise ValueError(f"`{NUM_PROCESSES}` must be a number. Received: {number!r}")
        return int(number)
    if keras.backend.backend() == "tensorflow":
        try:
            cluster = json.loads(os.environ.get("TF_CONFIG", "{}")).get("cluster", {})
            return sum(len(cluster.get(job, ())) for job in ("chief", "worker")) or 1
        except (ValueError, AttributeError, TypeError) as error:
            raise ValueError(f"`TF_CONFIG` must be JSON with a `cluster`: {error}") from error
    return 1


def data_shard() -> tuple[int, int]:
    """Give the part of each batch that this host reads, as `data.mixture(shard=...)` takes it.

    Within `on_devices(shard_dataset=False)` on several hosts; elsewhere it is the whole batch, as
    on TensorFlow, which gives each host its part. Hosts that share one copy of a model read the
    same.

    Returns:
        The number of the part, from 0, and the number of parts.
    """
    distribution = keras.distribution.distribution()
    if distribution is None or distribution.auto_shard_dataset:
        return 0, 1
    parts = min(distribution.num_processes, distribution.num_model_replicas)
    return distribution.data_shard_id if parts > 1 else 0, parts


def _distribution(
    model_parallel: int, devices: Sequence[str] | None, shard_dataset: bool
) -> keras.distribution.DataParallel | keras.distribution.ModelParallel:
    known = keras.distribution.list_devices()
    devices = list(known if devices is None else devices)
    if not devices or not set(devices) <= set(known):
        raise ValueError(f"`devices` must be some of {known}. Received: devices={devices}")
    if model_parallel < 1 or len(devices) % model_parallel:
        raise ValueError(
            f"`model_parallel` must divide the number of devices, {len(devices)}. "
            f"Received: model_parallel={model_parallel}"
        )
    copies, processes = len(devices) // model_parallel, hosts()[1]
    if copies % processes and processes % copies:
        raise ValueError(
            f"`model_parallel` must leave each of the {processes} hosts whole copies, or each copy "
            f"whole hosts. Received: model_parallel={model_parallel}, {len(devices)} devices"
        )
    if model_parallel == 1:
        mesh = keras.distribution.DeviceMesh((len(devices),), (DATA,), devices)
        return keras.distribution.DataParallel(mesh, auto_shard_dataset=shard_dataset)
    mesh = keras.distribution.DeviceMesh((copies, model_parallel), (DATA, MODEL), devices)
    return _ModelParallel(
        layout_map=layout_map(mesh), batch_dim_name=DATA, auto_shard_dataset=shard_dataset
    )


class _ModelParallel(keras.distribution.ModelParallel):
    """Tells which weight does not fit, before JAX does without its name."""

    def get_variable_layout(self, variable):
        layout = super().get_variable_layout(variable)
        parts = dict(zip(self.device_mesh.axis_names, self.device_mesh.shape, strict=True))
        for size, axis in zip(variable.shape, layout.axes, strict=True):
            if axis is not None and size % parts[axis]:
                raise ValueError(
                    f"`model_parallel` must divide the {size} of {variable.path!r}, of shape "
                    f"{tuple(variable.shape)}. Received: model_parallel={parts[axis]}"
                )
        return layout


def _strategy(devices: Sequence[str] | None) -> Any:
    import tensorflow as tf

    if _stated_hosts() > 1:
        if devices is not None:
            raise ValueError(
                "`devices` must be None with several hosts, which use all they have. "
                f"Received: devices={list(devices)}"
            )
        return tf.distribute.MultiWorkerMirroredStrategy()
    return tf.distribute.MirroredStrategy(None if devices is None else list(devices))
