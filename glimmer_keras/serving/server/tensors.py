"""Tensors of requests and replies as JSON has them."""

from typing import Any

import numpy as np
import tensorflow as tf

from glimmer_keras.serving.request_error import RequestError


def read_inputs(body: dict[str, Any], specs: dict[str, tf.TensorSpec]) -> dict[str, np.ndarray]:
    """Read arrays from the `inputs` (columns) or `instances` (rows) of a request.

    Args:
        body: Of the request, with one of the two.
        specs: What the signature takes.
    """
    is_rows = "instances" in body
    values = _columns(body["instances"], specs) if is_rows else body["inputs"]
    only = next(iter(specs)) if len(specs) == 1 else None
    if not isinstance(values, dict) or (only and not is_rows and set(values) != {only}):
        values = {only: values} if only else {}  # a single input needs no name
    return {name: _array(name, value, specs.get(name)) for name, value in values.items()}


def write_outputs(outputs: dict[str, np.ndarray], as_rows: bool) -> dict[str, Any]:
    """Write arrays as the reply to `instances` (rows) or `inputs` (columns)."""
    plain = {name: _plain(value) for name, value in outputs.items()}
    single = next(iter(plain.values())) if len(plain) == 1 else None
    if not as_rows:
        return {"outputs": plain if single is None else single}
    if single is not None:
        return {"predictions": single}
    rows = zip(*plain.values(), strict=True)
    return {"predictions": [dict(zip(plain, row, strict=True)) for row in rows]}


def _columns(instances: Any, specs: dict[str, tf.TensorSpec]) -> dict[str, Any]:
    """Turn rows into columns; where there is one input a row may be its value."""
    if not isinstance(instances, list) or not instances:
        raise RequestError("INVALID_ARGUMENT", "`instances` must be a list that is not empty")
    if len(specs) == 1 and not isinstance(instances[0], dict):
        return {next(iter(specs)): instances}
    if not all(isinstance(row, dict) and set(row) == set(instances[0]) for row in instances):
        raise RequestError("INVALID_ARGUMENT", "`instances` must name the same inputs each")
    return {name: [row[name] for row in instances] for name in instances[0]}


def _array(name: str, value: Any, spec: tf.TensorSpec | None) -> np.ndarray:
    """Read a JSON value in the dtype of an input; what is not of it is refused, not cast."""
    try:
        array = np.array(value)
        if spec is None:
            return array
        kinds = {"int32": "i", "int64": "i", "int8": "i", "bool": "b", "string": "U"}
        if array.dtype.kind not in kinds.get(spec.dtype.name, "fi"):
            raise ValueError(f"expected {spec.dtype.name}. Received: {array.dtype}")
        if spec.dtype == tf.string:
            return np.char.encode(array, "utf-8").astype(object)
        cast = array.astype(spec.dtype.as_numpy_dtype)
        if array.dtype.kind == "i" and spec.dtype.is_integer and not (cast == array).all():
            raise ValueError(f"a number is outside of {spec.dtype.name}")
        return cast
    except (ValueError, TypeError, OverflowError) as error:
        reason = str(error).splitlines()[0]
        raise RequestError("INVALID_ARGUMENT", f"{name}: not a tensor: {reason}") from error


def _plain(value: np.ndarray) -> Any:
    if value.dtype == object:
        return np.vectorize(lambda text: text.decode("utf-8", "replace"), otypes=[object])(
            value
        ).tolist()
    return (value if value.dtype.kind in "biuf" else value.astype("float32")).tolist()
