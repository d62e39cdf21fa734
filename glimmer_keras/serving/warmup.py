"""Requests that a server answers to itself before a version takes traffic.

They are `tensorflow.serving.PredictionLog` messages in a TFRecord file, as TensorFlow Serving takes
them.
"""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from glimmer_keras.serving.extra import check_extra
from glimmer_keras.serving.request_error import RequestError

logger = logging.getLogger("glimmer_keras")

WARMUP = "tf_serving_warmup_requests"


class Model(Protocol):
    """What answers requests."""

    def predict(self, signature: str, inputs: Mapping[str, np.ndarray]) -> Any: ...


def write_warmup(path: Path, signatures: Mapping[str, Mapping[str, tf.TensorSpec]]) -> None:
    """Write one request of one row for each signature.

    The messages are of the `serving` extra; without it nothing is written, and the log says so.
    """
    try:
        check_extra("tensorflow_serving")
    except ImportError as error:
        logger.info("No warm-up requests are written: %s", error)
        return
    with tf.io.TFRecordWriter(str(path)) as writer:
        for name, inputs in signatures.items():
            writer.write(_log(name, inputs).SerializeToString())


def warm_up(model: Model, path: Path, is_stopped: Callable[[], bool]) -> None:
    """Answer the requests in a file, if it is there, as TensorFlow Serving does.

    A function takes seconds to build when it is first called; nobody is to wait for that.

    Args:
        model: Answers them.
        path: The file.
        is_stopped: Ends it before the next request.

    Raises:
        ValueError: If the requests cannot be read or answered.
    """
    if not path.is_file():
        return
    from google.protobuf.message import DecodeError
    from tensorflow_serving.apis import prediction_log_pb2

    try:
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            if is_stopped():
                return
            request = prediction_log_pb2.PredictionLog.FromString(record).predict_log.request
            inputs = {name: tf.make_ndarray(value) for name, value in request.inputs.items()}
            model.predict(request.model_spec.signature_name, inputs)
    except (RequestError, DecodeError, TypeError, tf.errors.OpError) as error:
        reason = (str(error).splitlines() or [""])[0]
        raise ValueError(f"the warm-up requests fail: {reason}. Received: '{path}'") from error


def _log(signature: str, inputs: Mapping[str, tf.TensorSpec]) -> Any:
    """Make a `PredictionLog`; an input has one value everywhere, which is stored once."""
    from tensorflow_serving.apis import prediction_log_pb2

    log = prediction_log_pb2.PredictionLog()
    request = log.predict_log.request
    request.model_spec.signature_name = signature
    for name, spec in inputs.items():
        value = {tf.string: "warm up", tf.bool: True}.get(spec.dtype, 0)
        tensor = tf.make_tensor_proto(value, spec.dtype, (1, *spec.shape[1:]))
        request.inputs[name].CopyFrom(tensor)
    return log
