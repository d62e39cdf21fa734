"""curl, as README.md has it, against `glimmer serve`."""

import json
import shutil
import subprocess
from http.client import HTTPConnection

import numpy as np
import pytest

pytest.importorskip("starlette")

from glimmer_keras.serving.server import guard

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
PREDICT = "/v1/models/glimmer:predict"


def curl(url, *options):
    """Status code and JSON."""
    command = ["curl", "-sS", "-m", "60", "-w", "\n%{http_code}", *options, url]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    reply, _, code = said.rpartition("\n")
    return int(code), json.loads(reply)


@pytest.fixture
def predict(rest, requests, tmp_path):
    """Asks for `answer_from_ids`, with other rows or words for curl."""
    inputs = {key: value.tolist() for key, value in requests["answer_from_ids"].items()}

    def predict(rows=None, options=()):
        columns = inputs if rows is None else inputs | {"passage_rows": rows}
        body = tmp_path / "request.json"
        body.write_text(json.dumps({"signature_name": "answer_from_ids", "inputs": columns}))
        return curl(rest + PREDICT, "-d", f"@{body}", *options)

    return predict


@pytest.mark.parametrize(
    ("case", "code", "said"),
    [
        ({"rows": [[0, 1, 2, 3]] * 100_000}, 413, "bytes, and 1048576 are allowed"),
        ({"options": ["-d", "more"]}, 400, "JSON Parse error"),
        ({"options": ["-X", "PUT"]}, 501, "Unsupported method ('PUT')"),
        ({"options": ["-H", "Host: evil.example:8501"]}, 403, "Host must be localhost or a loop"),
    ],
)
def test_errors_and_then_an_answer(predict, replies, case, code, said):
    status, reply = predict(**case)
    assert status == code
    assert said in reply["error"]
    status, reply = predict()
    assert status == 200
    for key, value in replies["answer_from_ids"].items():
        np.testing.assert_allclose(reply["outputs"][key], value, atol=1e-4)


def test_the_server_by_other_names(rest):
    port = rest.rpartition(":")[2]
    for name in ("localhost", f"127.0.0.1:{port}", "[::1]:1"):
        code, reply = curl(f"{rest}/v1/models/glimmer", "-H", f"Host: {name}")
        assert (code, reply["model_version_status"][0]["state"]) == (200, "AVAILABLE")
    for path in ("/", "/v1/models/glimmer", "/v1/models/glimmer/metadata"):
        code, reply = curl(rest + path, "-H", "Host: evil.example")
        assert code == 403
        assert "Received: 'evil.example'" in reply["error"]


def test_an_ipv6_address(listen):
    from glimmer_keras.serving.server.app import make_app

    try:
        with listen(make_app(None, 100, address="::1", host="::1"), "::1") as url:
            assert curl(f"{url}/other") == (404, {"error": "Malformed request: no such path"})
            assert curl(f"{url}/other", "-H", "Host: evil.example")[0] == 403
    except OSError:
        pytest.skip("there is no IPv6")


def test_a_body_in_chunks_is_counted_as_it_comes(predict, rest):
    chunked = ["-H", "Transfer-Encoding: chunked"]
    assert predict(options=chunked)[0] == 200
    status, reply = predict([[0, 1, 2, 3]] * 100_000, options=chunked)
    assert status == 413
    assert "bytes, and 1048576 are allowed" in reply["error"]


def test_a_client_that_sends_nothing_more_is_not_waited_for(rest, monkeypatch):
    monkeypatch.setattr(guard, "SECONDS", 0.1)
    connection = HTTPConnection(rest.removeprefix("http://"), timeout=20)
    connection.putrequest("POST", PREDICT)
    connection.putheader("Content-Length", "100")
    connection.endheaders(b"{")
    response = connection.getresponse()
    assert response.status == 408
    assert json.load(response) == {"error": "Nothing more of the body came in 0.1 seconds"}
    connection.close()
