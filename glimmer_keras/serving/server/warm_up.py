import threading
from pathlib import Path

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow_serving.apis import prediction_log_pb2

from .request_error import RequestError
from .served_model import ServedModel

WARMUP = "assets.extra/tf_serving_warmup_requests"


def warm_up(model: ServedModel, path: Path, stopped: threading.Event) -> None:
    """Answer the requests that a version carries for this, as TensorFlow Serving does.

    A function takes seconds to build when it is first called; nobody is to wait for that.

    Raises:
        ValueError: If the requests cannot be read or answered.
    """
    file = path / WARMUP
    if not file.is_file():
        return
    try:
        for record in tf.data.TFRecordDataset(str(file)).as_numpy_iterator():
            if stopped.is_set():
                return
            request = prediction_log_pb2.PredictionLog.FromString(record).predict_log.request
            inputs = {name: tf.make_ndarray(value) for name, value in request.inputs.items()}
            model.predict(request.model_spec.signature_name, inputs)
    except (RequestError, DecodeError, TypeError, tf.errors.OpError) as error:
        said = (str(error).splitlines() or [""])[0]
        raise ValueError(f"the warm-up requests fail: {said}. Received: '{file}'") from error
