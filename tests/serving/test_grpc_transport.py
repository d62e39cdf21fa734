"""Calls to a server in this process, whose model mostly does what a test wants of it."""

import contextlib
import shutil
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from glimmer_keras.serving import retries
from glimmer_keras.serving.grpc_transport import GrpcTransport

grpc = pytest.importorskip("grpc")
pytest.importorskip("tensorflow_serving")

from tests.serving.grpc_server import make_grpc_server  # noqa: E402


class Model:
    """In place of a `ServedModel`: gives back what it gets, when it is let go."""

    name, version = "m", 1

    def __init__(self):
        self.asked, self.go = threading.Event(), threading.Event()

    def check(self, name, version=None):
        pass

    def place(self):
        return contextlib.nullcontext()

    def predict(self, signature, inputs):
        self.asked.set()
        assert self.go.wait(20)
        return inputs


@pytest.fixture
def model():
    return Model()


@pytest.fixture
def address(model):
    """Of a server that takes one call at a time."""
    server, port = make_grpc_server(model, "localhost:0", 2**20, 1)
    server.start()
    yield f"localhost:{port}"
    model.go.set()
    server.stop(None).wait()


@pytest.fixture
def transport(address):
    made = []

    def transport(deadline=20.0, retries=0, credentials=None):
        made.append(GrpcTransport(address, "m", 1, deadline, retries, credentials))
        return made[-1]

    yield transport
    for one in made:
        one.close()


VALUE = {"x": np.array([[1, 2]], "int32")}


@pytest.mark.parametrize("name", ["answer_int8", "answer_from_ids", "encode_memory"])
def test_the_exported_model_answers(server, requests, replies, name):
    transport = GrpcTransport(server.grpc, "glimmer", 1, 60.0, 0)
    reply = transport.predict(name, requests[name])
    transport.close()
    assert set(reply) == set(replies[name])
    for key, value in reply.items():
        np.testing.assert_allclose(value, replies[name][key], atol=1e-4, err_msg=key)


def test_all_dtypes_of_memory_are_sent(model, transport):
    model.go.set()
    for dtype in ("float32", "bfloat16", "int8", "bool"):
        value = np.array([[0, 1.5]], "float32").astype(dtype)
        found = transport().predict("answer", {"x": value})["x"]
        assert found.dtype == value.dtype
        np.testing.assert_array_equal(found, value)


def test_more_calls_than_are_taken_are_refused_and_made_again(model, transport, monkeypatch):
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(transport().predict, "answer", VALUE)
        assert model.asked.wait(20)
        with pytest.raises(ConnectionError, match="RESOURCE_EXHAUSTED: Concurrent.*after 1 tries"):
            transport().predict("answer", VALUE)
        refused = []

        def wait(low, high):
            refused.append(high)
            model.go.set()
            return first.result() and high

        monkeypatch.setattr(retries.random, "uniform", wait)
        found = transport(retries=4).predict("answer", VALUE)
        assert refused
        np.testing.assert_array_equal(found["x"], VALUE["x"])


def test_a_message_that_is_too_large_is_sent_once(model, transport):
    model.go.set()
    with pytest.raises(ValueError, match="RESOURCE_EXHAUSTED.*larger than max"):
        transport(retries=4).predict("answer", {"x": np.zeros((1, 2**19), "int32")})


def test_the_deadline(transport):
    with pytest.raises(TimeoutError, match="DEADLINE_EXCEEDED.*`deadline` is 0.1 s"):
        transport(deadline=0.1).predict("answer", VALUE)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl")
def test_tls(model, tmp_path):
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1"
    command += " -subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout key -out made"
    subprocess.run(command.split(), cwd=tmp_path, check=True, capture_output=True)
    key, certificate = (tmp_path / "key").read_bytes(), (tmp_path / "made").read_bytes()
    server, _ = make_grpc_server(model, "localhost:0", 2**20, 2)
    credentials = grpc.ssl_server_credentials([(key, certificate)])
    url = f"localhost:{server.add_secure_port('localhost:0', credentials)}"
    server.start()
    model.go.set()
    for trusted in (certificate, None):
        credentials = grpc.ssl_channel_credentials(trusted)
        one = GrpcTransport(url, "m", 1, 20.0, 0, credentials)
        if trusted:
            np.testing.assert_array_equal(one.predict("answer", VALUE)["x"], VALUE["x"])
        else:
            with pytest.raises(ConnectionError, match="UNAVAILABLE"):
                one.predict("answer", VALUE)
        one.close()
    server.stop(None).wait()
