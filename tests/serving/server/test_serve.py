"""`glimmer serve` as a process, and the same in this one."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from http.client import HTTPConnection

import numpy as np
import pytest
import tensorflow as tf

pytest.importorskip("uvicorn")

from glimmer_keras.serving.server import serve
from glimmer_keras.serving.server.served_model import ServedModel
from glimmer_keras.serving.warmup import WARMUP, write_warmup


def test_a_process_answers_what_is_under_way_when_it_is_stopped(
    version, requests, replies, tmp_path
):
    pytest.importorskip("tensorflow_serving")
    signature = "answer_from_ids"
    inputs = {key: value.tolist() for key, value in requests[signature].items()}
    shutil.copytree(version, tmp_path / "glimmer/1")
    specs = {
        key: tf.TensorSpec((None, *value.shape[1:]), value.dtype)
        for key, value in requests[signature].items()
    }
    write_warmup(tmp_path / "glimmer/1/assets.extra" / WARMUP, {signature: specs})  # no others
    command = [sys.executable, "-m", "glimmer_keras.cli.main", "serve", str(tmp_path / "glimmer")]
    command += ["--port=0", "--rest-port=0", "--max-message-mb=1", "--page"]
    with (
        (tmp_path / "log").open("w") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as process,
    ):
        try:
            line = process.stdout.readline()
            listening = re.fullmatch(
                r"Serving glimmer version 1: REST http://(\S+:\d+)/ .*\n", line
            )
            assert listening, line + (tmp_path / "log").read_text()
            idle = HTTPConnection(listening[1], timeout=60)
            idle.connect()  # as browsers do, and it says nothing
            body = json.dumps({"signature_name": signature, "inputs": inputs}).encode()
            slow = HTTPConnection(listening[1], timeout=60)
            slow.putrequest("POST", "/v1/models/glimmer:predict")
            slow.putheader("Content-Length", str(len(body)))
            slow.endheaders(body[:100])
            page = HTTPConnection(listening[1], timeout=60)
            page.request("GET", "/")  # and so what came before it is known to be there
            assert b"<title>glimmer</title>" in page.getresponse().read()
            process.terminate()
            time.sleep(0.5)
            slow.send(body[100:])
            outputs = json.load(slow.getresponse())["outputs"]
            for name, value in replies[signature].items():
                np.testing.assert_allclose(outputs[name], value, atol=1e-4)
            assert process.wait(30) == 0
            for connection in (idle, slow, page):
                connection.close()
        finally:
            process.kill()
    log = (tmp_path / "log").read_text()
    assert re.findall("^glimmer: .*", log, re.MULTILINE) == [
        "glimmer: DeprecationWarning: `--rest-port` is `--port` now, and goes next release"
    ]
    assert "Traceback" not in log


class Slow(ServedModel):
    """A request waits until it is let go."""

    def __init__(self, path, name, max_batch, max_requests):
        self.name, self.version, self.signature_defs = name, 1, {}
        self._places = threading.BoundedSemaphore(max_requests)
        Slow.asked, Slow.go = threading.Event(), threading.Event()

    def inputs_of(self, signature):
        return {}

    def predict(self, signature, inputs):
        Slow.asked.set()
        assert Slow.go.wait(20)
        return {"done": np.array([1])}


def test_a_stop_waits_for_requests_and_more_than_allowed_are_refused(tmp_path, monkeypatch, capsys):
    (tmp_path / "m/3").mkdir(parents=True)
    (tmp_path / "m/3/saved_model.pb").write_bytes(b"")
    monkeypatch.setattr(serve, "ServedModel", Slow)
    ports, replies = [], {}
    listen = serve._listen

    def listen_and_tell(host, port):
        listening = listen(host, port)
        ports.append(listening.getsockname()[1])
        return listening

    monkeypatch.setattr(serve, "_listen", listen_and_tell)
    body = json.dumps({"inputs": {}}).encode()

    def post(key):
        connection = HTTPConnection("127.0.0.1", ports[0], timeout=20)
        connection.request("POST", "/v1/models/m:predict", body)
        replies[key] = connection.getresponse().status
        connection.close()

    def ask_and_stop():
        while not ports:
            time.sleep(0.01)
        idle = HTTPConnection("127.0.0.1", ports[0])
        idle.connect()  # as browsers do, and it says nothing
        first = threading.Thread(target=post, args=["first"])
        first.start()
        assert Slow.asked.wait(20)
        post("second")
        os.kill(os.getpid(), signal.SIGTERM)
        threading.Timer(0.3, Slow.go.set).start()
        first.join()
        idle.close()

    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    start = time.monotonic()
    thread = threading.Thread(target=ask_and_stop)
    thread.start()
    serve.serve(tmp_path / "m", port=0, max_requests=1)
    assert {number: signal.getsignal(number) for number in handlers} == handlers
    assert time.monotonic() - start < 20
    thread.join()
    assert replies == {"first": 200, "second": 429}
    assert "Serving m version 1: REST http://127.0.0.1:" in capsys.readouterr().out


def test_a_stop_before_it_listens(tmp_path, monkeypatch):
    (tmp_path / "m/3").mkdir(parents=True)
    (tmp_path / "m/3/saved_model.pb").write_bytes(b"")
    monkeypatch.setattr(serve, "ServedModel", Slow)
    monkeypatch.setattr(serve, "warm_up", lambda *a: os.kill(os.getpid(), signal.SIGTERM))
    serve.serve(tmp_path / "m", port=0)


def test_an_address_that_is_taken(tmp_path, monkeypatch):
    (tmp_path / "m/3").mkdir(parents=True)
    (tmp_path / "m/3/saved_model.pb").write_bytes(b"")
    monkeypatch.setattr(serve, "ServedModel", Slow)
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        serve.serve(tmp_path / "m", port=taken.getsockname()[1])
