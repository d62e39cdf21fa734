import contextlib
import http.server
import json
import os
import threading

import numpy as np
import pytest

from recipes.benchmarks.parts.server import Connection, Served


@contextlib.contextmanager
def answering(replies):
    """A server that gives one reply after the other, and keeps what it was asked."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append((self.path, body))
            status, reply = replies[len(asked) - 1]
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(reply).encode())

        def log_message(self, *arguments):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield Served("my model", f"http://127.0.0.1:{server.server_port}", os.getpid()), asked
        server.shutdown()
        thread.join()


def test_what_is_asked_and_what_comes_back():
    inputs = {"rows": np.array([[1, 2]], "int32"), "mask": np.array([True])}
    replies = [
        (200, {"outputs": {"ids": [[3, 4]], "scores": [0.5]}}),
        (429, {"error": "too much to do"}),
        (400, {"error": "no such row"}),
    ]
    with answering(replies) as (served, asked):
        connection = Connection(served)
        reply = connection.predict("answer_from_ids", inputs)
        assert {name: value.tolist() for name, value in reply.items()} == replies[0][1]["outputs"]
        with pytest.raises(ConnectionError, match="too much to do"):
            connection.predict("answer_from_ids", inputs)
        with pytest.raises(RuntimeError, match="my%20model:predict: 400: .*no such row"):
            connection.predict("answer_from_ids", inputs)
        connection.close()
    body = {"signature_name": "answer_from_ids", "inputs": {"rows": [[1, 2]], "mask": [True]}}
    assert asked == [("/v1/models/my%20model:predict", body)] * 3


def test_the_memory_of_a_server():
    assert Served("glimmer", "", os.getpid()).megabytes()["now"] > 10
