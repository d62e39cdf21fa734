"""What `glimmer serve` asks itself before it listens; the file is written in test_warmup.py."""

import threading

import pytest
import tensorflow as tf

pytest.importorskip("tensorflow_serving")

from glimmer_keras.serving.server.request_error import RequestError
from glimmer_keras.serving.server.warm_up import WARMUP, warm_up
from glimmer_keras.serving.warmup import write_warmup

SIGNATURES = {
    "rerank": {"passage_rows": tf.TensorSpec((None, 4), "int32")},
    "answer": {"question": tf.TensorSpec((None,), "string")},
}


class Model:
    def __init__(self, refused=None):
        self.asked, self.refused = [], refused

    def predict(self, signature, inputs):
        self.asked.append((signature, {name: value.shape for name, value in inputs.items()}))
        if signature == self.refused:
            raise RequestError("INVALID_ARGUMENT", "no such thing")


@pytest.fixture
def version(tmp_path):
    (tmp_path / WARMUP).parent.mkdir()
    write_warmup(tmp_path / WARMUP, SIGNATURES)
    return tmp_path


def test_each_signature_is_asked_once(version):
    model = Model()
    warm_up(model, version, threading.Event())
    assert model.asked == [("rerank", {"passage_rows": (1, 4)}), ("answer", {"question": (1,)})]


def test_a_stop_ends_it_and_without_a_file_there_is_nothing_to_do(version, tmp_path):
    model, stopped = Model(), threading.Event()
    warm_up(model, tmp_path / "other", stopped)
    stopped.set()
    warm_up(model, version, stopped)
    assert model.asked == []


@pytest.mark.parametrize("broken", [b"", b"not a record of anything at all"])
def test_requests_that_fail_are_an_error(version, broken):
    with pytest.raises(ValueError, match="warm-up requests fail: no such thing. Received"):
        warm_up(Model(refused="answer"), version, threading.Event())
    with tf.io.TFRecordWriter(str(version / WARMUP)) as writer:
        writer.write(b"\xff\xff")
    if broken:
        (version / WARMUP).write_bytes(broken)
    with pytest.raises(ValueError, match="the warm-up requests fail: .*Received"):
        warm_up(Model(), version, threading.Event())
