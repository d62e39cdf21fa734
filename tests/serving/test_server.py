"""The stand-in for TensorFlow Serving, asked by the clients that TensorFlow Serving has."""

import json
import os
import re
import signal
import threading
import time
import urllib.error
import urllib.request
from http.client import HTTPConnection

import numpy as np
import pytest
import tensorflow as tf

from glimmer_keras.cli import serve as command
from glimmer_keras.cli.main import main

grpc = pytest.importorskip("grpc")
pytest.importorskip("tensorflow_serving")

from tensorflow_serving.apis import (  # noqa: E402
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from glimmer_keras.serving.server import serve  # noqa: E402
from glimmer_keras.serving.server.served_model import _Place, newest_version  # noqa: E402


@pytest.fixture(scope="module")
def channel(server):
    with grpc.insecure_channel(server.grpc) as channel:
        yield channel


@pytest.fixture(scope="module")
def predict(channel):
    stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)

    def predict(signature, inputs, name="glimmer", version=None, outputs=()):
        request = predict_pb2.PredictRequest(output_filter=outputs)
        request.model_spec.name, request.model_spec.signature_name = name, signature
        if version is not None:
            request.model_spec.version.value = version
        for key, value in inputs.items():
            request.inputs[key].CopyFrom(tf.make_tensor_proto(value))
        response = stub.Predict(request, timeout=60)
        assert response.model_spec.version.value == 1
        return {key: tf.make_ndarray(value) for key, value in response.outputs.items()}

    return predict


@pytest.fixture(scope="module")
def http(server):
    """Status code and JSON of a path, posted to if there is a body."""

    def http(path, body=None, kind="application/json"):
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(server.rest + path, data, {"Content-Type": kind})
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    return http


def plain(inputs):
    return {key: value.tolist() for key, value in inputs.items()}


def check(reply, expected):
    assert set(reply) == set(expected)
    for key, value in reply.items():
        np.testing.assert_allclose(value, expected[key], atol=1e-4, err_msg=key)


@pytest.mark.parametrize("name", ["answer_int8", "answer_from_ids", "encode_memory"])
def test_grpc_answers(predict, requests, replies, name):
    check(predict(name, requests[name]), replies[name])


def test_grpc_tells_the_time_it_took(channel, requests):
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = "glimmer", "answer_from_ids"
    for key, value in requests["answer_from_ids"].items():
        request.inputs[key].CopyFrom(tf.make_tensor_proto(value))
    stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    started = time.perf_counter()
    _, call = stub.Predict.with_call(request, timeout=60)
    milliseconds = 1000 * (time.perf_counter() - started)
    timing = dict(call.trailing_metadata())["server-timing"]
    assert 0 < float(re.fullmatch(r"total;dur=(\d+\.\d{3})", timing)[1]) < milliseconds


def test_versions_and_outputs_by_name(predict, requests, replies):
    reply = predict("rerank", requests["rerank"], version=1, outputs=["passage_ranking"])
    check(reply, {"passage_ranking": replies["rerank"]["passage_ranking"]})


def test_rest_answers_in_columns_and_in_rows(http, requests, replies):
    columns = plain(requests["answer_from_ids"])
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    path = "/v1/models/glimmer/versions/1:predict"
    code, reply = http(path, {"signature_name": "answer_from_ids", "inputs": columns})
    assert code == 200
    check(reply["outputs"], replies["answer_from_ids"])
    code, reply = http(path, {"signature_name": "answer_from_ids", "instances": rows})
    assert code == 200
    turned = {key: [row[key] for row in reply["predictions"]] for key in reply["predictions"][0]}
    check(turned, replies["answer_from_ids"])
    floats = {"signature_name": "encode_memory", "inputs": plain(requests["encode_memory"])}
    code, reply = http("/v1/models/glimmer:predict", floats)  # one output has no name
    np.testing.assert_allclose(
        reply["outputs"], replies["encode_memory"]["passage_memory"], atol=1e-4
    )


def test_status_and_metadata(channel, http, described):
    asked = get_model_status_pb2.GetModelStatusRequest()
    asked.model_spec.name = "glimmer"
    status = model_service_pb2_grpc.ModelServiceStub(channel).GetModelStatus(asked)
    assert [(s.version, s.state) for s in status.model_version_status] == [(1, 30)]
    for path in ("/v1/models/glimmer", "/v1/models/glimmer/versions/1"):
        code, reply = http(path)
        assert (code, reply["model_version_status"][0]["state"]) == (200, "AVAILABLE")

    asked = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    asked.model_spec.name = "glimmer"
    stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    found = get_model_metadata_pb2.SignatureDefMap()
    stub.GetModelMetadata(asked).metadata["signature_def"].Unpack(found)
    code, reply = http("/v1/models/glimmer/metadata")
    shown = reply["metadata"]["signature_def"]["signature_def"]
    for name, parts in described["signatures"].items():
        assert set(found.signature_def[name].inputs) == set(parts["inputs"])
        assert set(shown[name]["outputs"]) == set(parts["outputs"])
    asked.metadata_field[:] = ["weights"]
    with pytest.raises(grpc.RpcError) as raised:
        stub.GetModelMetadata(asked)
    assert raised.value.code().name == "INVALID_ARGUMENT"


def broken(inputs, what):
    """`answer_from_ids` inputs with something wrong, as arrays."""
    inputs, rows = dict(inputs), inputs["passage_rows"]
    if what == "missing":
        del inputs["passage_rows"]
    elif what == "more":
        inputs["other"] = rows
    elif what == "narrow":
        inputs["passage_rows"] = rows[:, :-1]
    elif what == "flat":
        inputs["passage_rows"] = rows[0]
    elif what == "floats":
        inputs["passage_rows"] = rows + np.float32(0.5)
    elif what == "short":
        inputs["passage_rows"] = rows[:-1]
    elif what == "empty":
        inputs = {key: value[:0] for key, value in inputs.items()}
    elif what == "batch":
        inputs = {key: np.repeat(value, 2, axis=0) for key, value in inputs.items()}
    elif what == "unknown":
        inputs["passage_rows"] = np.where(rows == -1, 14, rows)
    elif what == "large":
        inputs["passage_rows"] = np.zeros((100_000, 4), "int32")
    return inputs


@pytest.mark.parametrize(
    ("what", "code", "said"),
    [
        ("missing", "INVALID_ARGUMENT", r"inputs missing: \['passage_rows'\]"),
        ("more", "INVALID_ARGUMENT", r"unknown: \['other'\]"),
        ("narrow", "INVALID_ARGUMENT", r"passage_rows: expected \(None, 4\). Received: \(5, 3\)"),
        ("flat", "INVALID_ARGUMENT", r"passage_rows: expected \(None, 4\). Received: \(4,\)"),
        ("floats", "INVALID_ARGUMENT", "passage_rows: .*expected int32. Received: float"),
        ("short", "INVALID_ARGUMENT", r"one number of rows, from 1 to 8. Received: \[4, 5\]"),
        ("empty", "INVALID_ARGUMENT", "expected|from 1 to 8"),
        ("batch", "INVALID_ARGUMENT", r"from 1 to 8. Received: \[10\]"),
        ("unknown", "INVALID_ARGUMENT", "`passage_rows` must be from -1 to 13."),
        ("large", "RESOURCE_EXHAUSTED", "larger than max|bytes, and 1048576 are allowed"),
    ],
)
def test_bad_inputs_are_refused_and_the_next_are_answered(
    predict, http, requests, replies, what, code, said
):
    good = requests["answer_from_ids"]
    bad = broken(good, what)
    with pytest.raises(grpc.RpcError) as raised:
        predict("answer_from_ids", bad)
    assert raised.value.code().name == code
    assert re.search(said, raised.value.details())
    assert "\n" not in raised.value.details()
    http_code, reply = http(
        "/v1/models/glimmer:predict", {"signature_name": "answer_from_ids", "inputs": plain(bad)}
    )
    assert http_code == {"INVALID_ARGUMENT": 400, "RESOURCE_EXHAUSTED": 413}[code]
    assert re.search(said, reply["error"])
    check(predict("answer_from_ids", good), replies["answer_from_ids"])


@pytest.mark.parametrize(
    ("asked", "code", "said"),
    [
        ({"signature": "sing"}, "FAILED_PRECONDITION", 'Serving signature key "sing" not found.'),
        ({"name": "gleam"}, "NOT_FOUND", "Servable not found for request: gleam"),
        ({"version": 2}, "NOT_FOUND", "Servable not found for request: glimmer version 2"),
        ({"outputs": ["tune"]}, "INVALID_ARGUMENT", "output_filter: unknown: ['tune']"),
    ],
)
def test_what_is_not_there_over_grpc(predict, requests, asked, code, said):
    with pytest.raises(grpc.RpcError) as raised:
        predict(**{"signature": "answer_from_ids", "inputs": requests["answer_from_ids"]} | asked)
    assert (raised.value.code().name, raised.value.details()) == (code, said)


@pytest.mark.parametrize(
    ("path", "body", "code", "said"),
    [
        (
            "/v1/models/glimmer:predict",
            {"signature_name": "sing", "inputs": 1},
            400,
            '"sing" not found',
        ),
        ("/v1/models/glimmer:predict", {"signature_name": 1, "inputs": 1}, 400, "must be a string"),
        ("/v1/models/glimmer:predict", b"{", 400, "JSON Parse error"),
        ("/v1/models/glimmer:predict", b"[" * 100_000, 400, "JSON Parse error"),
        ("/v1/models/glimmer:predict", {}, 400, "either `instances` or `inputs`"),
        ("/v1/models/glimmer:predict", {"instances": [1, {}]}, 400, "name the same inputs"),
        ("/v1/models/glimmer:predict", {"inputs": {"a": [[1], [1, 2]]}}, 400, "a: not a tensor"),
        ("/v1/models/gleam:predict", {"inputs": 1}, 404, "not found for request: gleam"),
        ("/v1/models/glimmer/versions/2", None, 404, "glimmer version 2"),
        ("/v1/models/glimmer:predict", None, 405, "takes a POST"),
        ("/v1/models/glimmer", {"inputs": 1}, 405, "only predict"),
        ("/v1/models/../../etc/passwd", None, 404, "no such path"),
        ("/saved_model.pb", None, 404, "no such path"),
    ],
)
def test_what_is_not_there_over_rest(http, path, body, code, said):
    found, reply = http(path, body)
    assert found == code
    assert said in reply["error"]
    assert "\n" not in reply["error"]


def test_the_page_asks_and_is_shut_in(server, http):
    with urllib.request.urlopen(server.rest + "/?q=a") as response:
        page, policy = response.read().decode(), response.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")
    assert not re.search(r"https?://|innerHTML|\bsrc=", page)
    code, reply = http("/ask", {"question": "who wrote fidelio"})
    assert code == 200
    assert len(reply["passages"]) == 4
    assert sum(passage["selected"] for passage in reply["passages"]) == 2
    assert set(reply["milliseconds"]) == {
        "retrieve",
        "tokenize",
        "read, rerank and answer",
        "detokenize",
    }
    for body in ({}, {"question": " "}, {"question": "a" * 2001}, []):
        assert http("/ask", body)[0] == 400
    assert http("/ask", {"question": "a"}, "text/plain")[0] == 400


def test_the_server_has_no_model_of_ours(server):
    imported = {line.rpartition("|")[2].strip() for line in server.log.read_text().splitlines()}
    assert {"glimmer_server.grpc_api", "tensorflow", "grpc"} <= imported
    # TensorFlow brings a part of keras, and the page's bm25s brings jax where it is installed.
    assert {name.partition(".")[0] for name in imported} & {"glimmer_keras", "keras_hub"} == set()


class Slow:
    """In place of a `ServedModel`: a request waits until it is let go."""

    def __init__(self, path, name, max_batch, max_requests):
        self.name, self.version, self.signature_defs = name, 1, {}
        self.places = threading.BoundedSemaphore(max_requests)
        Slow.asked, Slow.go = threading.Event(), threading.Event()

    def check(self, name, version=None):
        pass

    def inputs_of(self, signature):
        return {}

    def place(self):
        return _Place(self.places)

    def predict(self, signature, inputs):
        Slow.asked.set()
        assert Slow.go.wait(20)
        return {"done": np.array([1])}


def test_a_stop_waits_for_requests_and_more_than_allowed_are_refused(tmp_path, monkeypatch, capsys):
    (tmp_path / "m/3").mkdir(parents=True)
    (tmp_path / "m/3/saved_model.pb").write_bytes(b"")
    monkeypatch.setattr(serve, "ServedModel", Slow)
    ports, replies = [], {}
    make = serve.make_rest_server
    monkeypatch.setattr(serve, "make_rest_server", lambda *a: ports.append(make(*a)) or ports[0])
    body = json.dumps({"inputs": {}}).encode()

    def post(key):
        connection = HTTPConnection("127.0.0.1", ports[0].server_port, timeout=20)
        connection.request("POST", "/v1/models/m:predict", body)
        replies[key] = connection.getresponse().status
        connection.close()

    def ask_and_stop():
        while not ports:
            pass
        idle = HTTPConnection("127.0.0.1", ports[0].server_port)
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
    try:
        status = serve.main([str(tmp_path / "m"), "--port=0", "--rest-port=0", "--max-requests=1"])
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    assert time.monotonic() - start < 20
    thread.join()
    assert (status, replies) == (0, {"first": 200, "second": 429})
    assert "Serving m version 1: gRPC 127.0.0.1:" in capsys.readouterr().out


def test_the_newest_version(tmp_path):
    for name in ("9", "10", ".11-x", "text"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "saved_model.pb").write_bytes(b"")
    (tmp_path / "12").mkdir()
    assert newest_version(tmp_path) == tmp_path / "10"
    assert newest_version(tmp_path / "9") == tmp_path / "9"


def test_the_command_becomes_the_server(tmp_path, monkeypatch, capsys):
    started = []
    monkeypatch.setattr(command.os, "execv", lambda program, words: started.append(words))
    main(["serve", "models/m", "--page", "--rest-port", "0"])
    [words] = started
    assert words[1] == "-P"
    assert words[3:] == [
        "models/m",
        "--host",
        "127.0.0.1",
        "--port",
        "8500",
        "--rest-port",
        "0",
        "--page",
        "--max-batch",
        "64",
        "--max-message-mb",
        "128",
        "--max-requests",
        "16",
    ]
    assert serve.main([str(tmp_path)]) == 1
    assert "`directory` must hold a version" in capsys.readouterr().err
