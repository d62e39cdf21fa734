"""The warm-up file as protobuf reads it, by the messages of TensorFlow Serving."""

import pytest
import tensorflow as tf
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from tensorflow.core.framework import tensor_pb2

# As in prediction_log.proto, predict.proto and model.proto: number, type and whether repeated.
MESSAGES = {
    "PredictionLog": {"predict_log": (6, "PredictLog", False)},
    "PredictLog": {"request": (1, "PredictRequest", False)},
    "PredictRequest": {"model_spec": (1, "ModelSpec", False), "inputs": (2, "Entry", True)},
    "ModelSpec": {"signature_name": (3, "string", False)},
    "Entry": {"key": (1, "string", False), "value": (2, "bytes", False)},
}


@pytest.fixture(scope="module")
def prediction_log():
    """The class of `PredictionLog` messages, with those of the fields that are written."""
    file = descriptor_pb2.FileDescriptorProto(name="log.proto", package="t", syntax="proto3")
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, (number, kind, repeated) in fields.items():
            added = message.field.add(name=field, number=number, label=3 if repeated else 1)
            if kind in MESSAGES:
                added.type, added.type_name = added.TYPE_MESSAGE, f".t.{kind}"
            else:
                added.type = added.TYPE_STRING if kind == "string" else added.TYPE_BYTES
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("t.PredictionLog"))


def test_one_request_for_each_signature(version, described, prediction_log):
    path = version / "assets.extra/tf_serving_warmup_requests"
    assert path.stat().st_size < 10_000
    records = [record.numpy() for record in tf.data.TFRecordDataset(str(path))]
    requests = [prediction_log.FromString(record).predict_log.request for record in records]
    found = {}
    for record, request in zip(records, requests, strict=True):
        assert prediction_log.FromString(record).SerializeToString() == record
        inputs = {}
        for entry in request.inputs:
            tensor = tf.make_ndarray(tensor_pb2.TensorProto.FromString(entry.value))
            inputs[entry.key] = {"shape": [None, *tensor.shape[1:]], "dtype": tensor.dtype.name}
            assert tensor.shape[0] == 1
            assert tensor.all() if tensor.dtype == bool else not tensor.any()
        found[request.model_spec.signature_name] = inputs
    expected = {name: parts["inputs"] for name, parts in described["signatures"].items()}
    assert found == expected
