"""curl, as README.md has it, against `glimmer serve`."""

import json
import shutil
import subprocess
import threading

import numpy as np
import pytest

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
PREDICT = "/v1/models/glimmer:predict"


def curl(url, *options):
    """Status code and JSON."""
    command = ["curl", "-sS", "-m", "60", "-w", "\n%{http_code}", *options, url]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    reply, _, code = said.rpartition("\n")
    return int(code), json.loads(reply)


@pytest.fixture
def predict(server, requests, tmp_path):
    """Asks for `answer_from_ids`, or what is told instead."""
    inputs = {key: value.tolist() for key, value in requests["answer_from_ids"].items()}

    def predict(rows=None, signature="answer_from_ids", path=PREDICT, options=()):
        given = inputs if rows is None else inputs | {"passage_rows": rows}
        body = tmp_path / "request.json"
        body.write_text(json.dumps({"signature_name": signature, "inputs": given}))
        return curl(server.rest + path, "-d", f"@{body}", *options)

    return predict


@pytest.mark.parametrize(
    ("case", "code", "said"),
    [
        ({"rows": [[0, 1, 2]]}, 400, "passage_rows: expected (None, 4). Received: (1, 3)"),
        ({"rows": [[0, 1, 2, 3]]}, 400, "one number of rows, from 1 to 8. Received: [1, 5]"),
        ({"rows": [[0, 1, 2, 14]] * 5}, 400, "`passage_rows` must be from -1 to 13."),
        ({"rows": [[0, 1, 2, "a"]] * 5}, 400, "passage_rows: not a tensor: expected int32."),
        ({"rows": [[0, 1, 2, 3]] * 100_000}, 413, "bytes, and 1048576 are allowed"),
        ({"signature": "sing"}, 400, 'Serving signature key "sing" not found.'),
        ({"path": "/v1/models/gleam:predict"}, 404, "Servable not found for request: gleam"),
        ({"options": ["-d", "more"]}, 400, "JSON Parse error"),
        ({"options": ["-X", "PUT"]}, 501, "Unsupported method ('PUT')"),
        ({"options": ["-H", "Host: evil.example:8501"]}, 403, "Host must be localhost or a loop"),
    ],
)
def test_errors_and_then_an_answer(predict, replies, case, code, said):
    found, reply = predict(**case)
    assert found == code
    assert said in reply["error"]
    found, reply = predict()
    assert found == 200
    for key, value in replies["answer_from_ids"].items():
        np.testing.assert_allclose(reply["outputs"][key], value, atol=1e-4)


def test_the_server_by_other_names(server):
    port = server.rest.rpartition(":")[2]
    for name in ("localhost", f"127.0.0.1:{port}", "[::1]:1"):
        code, reply = curl(f"{server.rest}/v1/models/glimmer", "-H", f"Host: {name}")
        assert (code, reply["model_version_status"][0]["state"]) == (200, "AVAILABLE")
    for path in ("/", "/v1/models/glimmer", "/v1/models/glimmer/metadata"):
        code, reply = curl(server.rest + path, "-H", "Host: evil.example")
        assert code == 403
        assert "Received: 'evil.example'" in reply["error"]


def test_an_ipv6_address():
    rest_api = pytest.importorskip("glimmer_keras.serving.server.rest_api", exc_type=ImportError)
    try:
        server = rest_api.make_rest_server(None, ("::1", 0), 100)
    except OSError:
        pytest.skip("there is no IPv6")
    thread = threading.Thread(target=server.serve_forever, args=[0.01])
    thread.start()
    url = f"http://[::1]:{server.server_port}/other"
    assert curl(url) == (404, {"error": "Malformed request: no such path"})
    assert curl(url, "-H", "Host: evil.example")[0] == 403
    server.stop(1)
    thread.join()
