"""Requests that TensorFlow Serving answers to itself before a version takes traffic.

They are `tensorflow.serving.PredictionLog` messages in a TFRecord file. These are few and shallow,
so they are put together here, without a dependency on tensorflow-serving-api.
"""

from collections.abc import Mapping
from pathlib import Path

import tensorflow as tf

WARMUP = "tf_serving_warmup_requests"

# Field numbers in TensorFlow Serving's prediction_log.proto, predict.proto and model.proto.
PREDICT_LOG = 6  # of PredictionLog
REQUEST = 1  # of PredictLog
MODEL_SPEC, INPUTS = 1, 2  # of PredictRequest
KEY, VALUE = 1, 2  # of an entry of a map
SIGNATURE_NAME = 3  # of ModelSpec


def write_warmup(path: Path, signatures: Mapping[str, Mapping[str, tf.TensorSpec]]) -> None:
    """Write one request of one row for each signature."""
    with tf.io.TFRecordWriter(str(path)) as writer:
        for name, inputs in signatures.items():
            writer.write(prediction_log(name, inputs))


def prediction_log(signature: str, inputs: Mapping[str, tf.TensorSpec]) -> bytes:
    """A serialized `PredictionLog`; an input has one value everywhere, which is stored once."""
    request = _field(MODEL_SPEC, _field(SIGNATURE_NAME, signature.encode()))
    for name, spec in inputs.items():
        value = {tf.string: "warm up", tf.bool: True}.get(spec.dtype, 0)
        tensor = tf.make_tensor_proto(value, spec.dtype, (1, *spec.shape[1:]))
        entry = _field(KEY, name.encode()) + _field(VALUE, tensor.SerializeToString())
        request += _field(INPUTS, entry)
    return _field(PREDICT_LOG, _field(REQUEST, request))


def _field(number: int, content: bytes) -> bytes:
    """A field of bytes, a string or a message: its key, its length, and itself."""
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 127:
        encoded.append(number & 127 | 128)
        number >>= 7
    return bytes([*encoded, number])
