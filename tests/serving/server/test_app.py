"""TensorFlow Serving's REST paths, asked without a socket."""

import json
import re

import numpy as np
import pytest

pytest.importorskip("starlette")

from starlette.testclient import TestClient


@pytest.fixture(scope="module")
def client(app):
    with TestClient(app, base_url="http://127.0.0.1:8501", raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(scope="module")
def http(client):
    """Status code and JSON of a path, posted to if there is a body."""

    def http(path, body=None, kind="application/json", method=None):
        content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        method = method or ("GET" if body is None else "POST")
        headers = {"Content-Type": kind}
        response = client.request(method, path, content=content, headers=headers)
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Content-Type"] == "application/json"
        return response.status_code, response.json()

    return http


def plain(inputs):
    return {key: value.tolist() for key, value in inputs.items()}


def check(reply, expected):
    assert set(reply) == set(expected)
    for key, value in reply.items():
        np.testing.assert_allclose(value, expected[key], atol=1e-4, err_msg=key)


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


def test_status_and_metadata(http, described):
    for path in ("/v1/models/glimmer", "/v1/models/glimmer/versions/1"):
        code, reply = http(path)
        assert (code, reply["model_version_status"][0]["state"]) == (200, "AVAILABLE")
        assert reply["model_version_status"][0]["version"] == "1"
    for path in ("/v1/models/glimmer/metadata", "/v1/models/glimmer/versions/1/metadata"):
        code, reply = http(path)
        assert (code, reply["model_spec"]["name"]) == (200, "glimmer")
        shown = reply["metadata"]["signature_def"]["signature_def"]
        for name, parts in described["signatures"].items():
            assert set(shown[name]["inputs"]) == set(parts["inputs"])
            assert set(shown[name]["outputs"]) == set(parts["outputs"])
        passage_mask = shown["answer"]["inputs"]["passage_padding_mask"]
        assert passage_mask["dtype"] == "DT_BOOL"
        assert [d["size"] for d in passage_mask["tensor_shape"]["dim"]] == ["-1", "4", "6"]


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
    elif what == "words":
        inputs["passage_rows"] = rows.astype(str)
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
        ("words", "INVALID_ARGUMENT", "passage_rows: .*expected int32. Received: (<U|string)"),
        ("short", "INVALID_ARGUMENT", r"one number of rows, from 1 to 8. Received: \[4, 5\]"),
        ("empty", "INVALID_ARGUMENT", "expected|from 1 to 8"),
        ("batch", "INVALID_ARGUMENT", r"from 1 to 8. Received: \[10\]"),
        ("unknown", "INVALID_ARGUMENT", "`passage_rows` must be from -1 to 13."),
        ("large", "RESOURCE_EXHAUSTED", "larger than max|bytes, and 1048576 are allowed"),
    ],
)
def test_bad_inputs_are_refused_and_the_next_are_answered(
    server, http, requests, replies, what, code, said
):
    from glimmer_keras.serving.grpc_transport import GrpcTransport

    good = requests["answer_from_ids"]
    bad = broken(good, what)
    transport = GrpcTransport(server.grpc, "glimmer", 1, 60, 0)
    with pytest.raises(ValueError, match=said) as raised:
        transport.predict("answer_from_ids", bad)
    assert f": {code}: " in str(raised.value)
    assert "\n" not in str(raised.value)
    http_code, reply = http(
        "/v1/models/glimmer:predict", {"signature_name": "answer_from_ids", "inputs": plain(bad)}
    )
    assert http_code == {"INVALID_ARGUMENT": 400, "RESOURCE_EXHAUSTED": 413}[code]
    assert re.search(said, reply["error"])
    check(transport.predict("answer_from_ids", good), replies["answer_from_ids"])
    transport.close()


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
        ("/v1/models/glimmer/", None, 404, "no such path"),
        ("/v1/models/glimmer:predict", b"", 400, "The body must not be empty"),
    ],
)
def test_what_is_not_there(http, path, body, code, said):
    status, reply = http(path, body)
    assert status == code
    assert said in reply["error"]
    assert "\n" not in reply["error"]


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_methods_that_there_are_none_of(http, method):
    assert http("/v1/models/glimmer", method=method) == (
        501,
        {"error": f"Unsupported method ('{method}')"},
    )


def test_a_fault_in_the_model_is_told_as_json(http, served, monkeypatch):
    def fail(*args):
        raise ZeroDivisionError("of\nsomething")

    monkeypatch.setattr(served, "predict", fail)
    body = {"signature_name": "encode_memory", "inputs": {}}
    assert http("/v1/models/glimmer:predict", body) == (500, {"error": "ZeroDivisionError: of"})


def test_a_name_with_a_space(served):
    from glimmer_keras.serving.server.app import make_app

    class Named(type(served)):
        def __init__(self):
            self.name, self.version = "a b", 1

    with TestClient(make_app(Named(), 100), base_url="http://localhost") as client:
        assert client.get("/v1/models/a%20b").status_code == 200
        assert client.get("/v1/models/a").status_code == 404
        assert client.get("/").status_code == 404  # there is no page
        assert client.post("/ask", json={"question": "a"}).status_code == 404
