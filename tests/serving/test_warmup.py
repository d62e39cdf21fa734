"""The requests of a version: as they are written, and as `glimmer serve` answers them."""

import sys

import pytest
import tensorflow as tf

from glimmer_keras.serving.request_error import RequestError
from glimmer_keras.serving.warmup import WARMUP, warm_up, write_warmup

SIGNATURES = {
    "rerank": {"passage_rows": tf.TensorSpec((None, 4), "int32")},
    "answer": {"question": tf.TensorSpec((None,), "string")},
}


@pytest.fixture
def file(tmp_path):
    pytest.importorskip("tensorflow_serving")
    write_warmup(tmp_path / WARMUP, SIGNATURES)
    return tmp_path / WARMUP


def test_one_request_for_each_signature(version, described):
    messages = pytest.importorskip("tensorflow_serving.apis.prediction_log_pb2")
    path = version / "assets.extra" / WARMUP
    assert path.stat().st_size < 10_000
    records = [record.numpy() for record in tf.data.TFRecordDataset(str(path))]
    requests = [messages.PredictionLog.FromString(record).predict_log.request for record in records]
    written = {}
    for request in requests:
        inputs = {}
        for name, proto in request.inputs.items():
            tensor = tf.make_ndarray(proto)
            inputs[name] = {"shape": [None, *tensor.shape[1:]], "dtype": tensor.dtype.name}
            assert tensor.shape[0] == 1
            assert tensor.all() if tensor.dtype == bool else not tensor.any()
        written[request.model_spec.signature_name] = inputs
    assert len(requests) == len(written)
    assert written == {name: parts["inputs"] for name, parts in described["signatures"].items()}


def test_without_the_extra_none_are_written_and_the_log_says_so(tmp_path, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "tensorflow_serving", None)
    with caplog.at_level("INFO", logger="glimmer_keras"):
        write_warmup(tmp_path / WARMUP, SIGNATURES)
    assert list(tmp_path.iterdir()) == []
    [line] = caplog.messages
    assert line.startswith("No warm-up requests are written: ")
    assert "`pip install glimmer_keras[serving]`" in line


class Model:
    def __init__(self, refused=None):
        self.asked, self.refused = [], refused

    def predict(self, signature, inputs):
        self.asked.append((signature, {name: value.shape for name, value in inputs.items()}))
        if signature == self.refused:
            raise RequestError("INVALID_ARGUMENT", "no such thing")


def test_each_signature_is_asked_once(file):
    model = Model()
    warm_up(model, file, lambda: False)
    assert model.asked == [("rerank", {"passage_rows": (1, 4)}), ("answer", {"question": (1,)})]


def test_the_exported_model_answers_them(served, version):
    pytest.importorskip("tensorflow_serving")
    warm_up(served, version / "assets.extra" / WARMUP, lambda: False)


def test_a_stop_ends_it_and_without_a_file_there_is_nothing_to_do(file, tmp_path):
    model = Model()
    warm_up(model, tmp_path / "other", lambda: False)
    warm_up(model, file, lambda: True)
    assert model.asked == []


@pytest.mark.parametrize("broken", [b"", b"not a record of anything at all"])
def test_requests_that_fail_are_an_error(file, broken):
    with pytest.raises(ValueError, match="warm-up requests fail: no such thing. Received"):
        warm_up(Model(refused="answer"), file, lambda: False)
    with tf.io.TFRecordWriter(str(file)) as writer:
        writer.write(b"\xff\xff")
    if broken:
        file.write_bytes(broken)
    with pytest.raises(ValueError, match="the warm-up requests fail: .*Received"):
        warm_up(Model(), file, lambda: False)
