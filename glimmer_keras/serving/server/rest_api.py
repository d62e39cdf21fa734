"""The REST paths that TensorFlow Serving has: status, metadata and predict."""

import contextlib
import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf import json_format

from .grpc_api import SIGNATURE_DEF, signature_map
from .hosts import check_host
from .request_error import RequestError
from .served_model import DEFAULT_SIGNATURE, ServedModel

PATH = re.compile(r"/v1/models/([^/:]+)(?:/versions/(\d{1,18}))?(/metadata|:predict)?")
STATUS = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "UNIMPLEMENTED": 405,
    "RESOURCE_EXHAUSTED": 429,
    "INTERNAL": 500,
}
SECONDS = 30  # that a client may take to send or receive
MOST_DRAINED = 2**30
Ask = Callable[[Any], Any]


class RestServer(ThreadingHTTPServer):
    """Knows which connections are at a request, and waits for these alone when it stops."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], handler: Any) -> None:
        self.at_work, self._changed = 0, threading.Condition()
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, handler)

    @contextlib.contextmanager
    def working(self) -> Iterator[None]:
        """Holds up `stop`."""
        with self._changed:
            self.at_work += 1
        try:
            yield
        finally:
            with self._changed:
                self.at_work -= 1
                self._changed.notify_all()

    def stop(self, seconds: float) -> None:
        """Accept nothing more, and wait that long for what is under way."""
        self.shutdown()
        self.server_close()
        with self._changed:
            self._changed.wait_for(lambda: self.at_work == 0, seconds)

    def handle_error(self, *args: Any) -> None:
        pass  # a connection that broke


def make_rest_server(
    model: ServedModel,
    address: tuple[str, int],
    max_message_bytes: int,
    page: bytes | None = None,
    ask: Ask | None = None,
) -> RestServer:
    """A server that is bound but not started.

    Args:
        model: What is served.
        address: Host and port.
        max_message_bytes: Largest body of a request.
        page: HTML for `/`.
        ask: Answers what the page posts to `/ask`.
    """

    class Handler(BaseHTTPRequestHandler):
        timeout = SECONDS
        _unread = 0
        server_version, sys_version = "glimmer", ""

        def do_GET(self) -> None:
            at_page = self.path.partition("?")[0] == "/"
            self._answer(lambda: page if page and at_page else _get(model, self.path))

        def do_POST(self) -> None:
            length = self.headers.get("Content-Length", "")
            self._unread = int(length) if re.fullmatch(r"\d{1,15}", length) else 0
            self._answer(self._post)

        def send_error(
            self, code: int, message: str | None = None, explain: str | None = None
        ) -> None:
            """Of the base class, for what is no request that this server takes."""
            said = message or HTTPStatus(code).phrase
            self._reply(code, json.dumps({"error": said}).encode(), "application/json")

        def log_message(self, format: str, *args: Any) -> None:
            pass

        def _post(self) -> Any:
            asked = ask is not None and self.path == "/ask"
            # Another site's page cannot send this type without being allowed to.
            if asked and self.headers.get_content_type() != "application/json":
                raise RequestError("INVALID_ARGUMENT", "Content-Type must be application/json")
            with model.place():
                body = self._body()
                return ask(body) if asked and ask else _predict(model, self.path, body)

        def _body(self) -> Any:
            if not self._unread:
                raise RequestError("INVALID_ARGUMENT", "The body must not be empty")
            if self._unread > max_message_bytes:
                raise TooLarge(f"{self._unread} bytes, and {max_message_bytes} are allowed")
            content, self._unread = self.rfile.read(self._unread), 0
            try:
                return json.loads(content)
            except (ValueError, RecursionError) as error:
                raise RequestError("INVALID_ARGUMENT", f"JSON Parse error: {error}") from error

        def _answer(self, run: Callable[[], Any]) -> None:
            with server.working():
                self._answer_now(run)

        def _answer_now(self, run: Callable[[], Any]) -> None:
            try:
                host = self.headers.get("Host", "")
                check_host(host, str(server.server_address[0]), address[0])
                code, content = 200, run()
            except TooLarge as error:
                code, content = 413, {"error": str(error)}
            except RequestError as error:
                code, content = STATUS[error.code], {"error": str(error)}
            except OSError:
                return  # the client is gone
            except Exception as error:
                said = str(error).splitlines() or [""]
                code, content = 500, {"error": f"{type(error).__name__}: {said[0]}"}
            self._drain()
            if isinstance(content, bytes):
                self._reply(code, content, "text/html; charset=utf-8")
            else:
                self._reply(code, json.dumps(content).encode(), "application/json")

        def _drain(self) -> None:
            """Take what was refused unread: a client listens when it has sent all."""
            left = min(self._unread, MOST_DRAINED)
            while left > 0 and (part := self.rfile.read(min(left, 2**16))):
                left -= len(part)

        def _reply(self, code: int, body: bytes, kind: str) -> None:
            self.send_response(code)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("X-Content-Type-Options", "nosniff")
            if kind.startswith("text/html"):
                self.send_header("Content-Security-Policy", POLICY)
                self.send_header("Referrer-Policy", "no-referrer")
            self.end_headers()
            self.wfile.write(body)

    server = RestServer(address, Handler)
    return server


POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class TooLarge(RequestError):
    """A body over the limit, for which HTTP has a status of its own."""

    def __init__(self, message: str) -> None:
        super().__init__("RESOURCE_EXHAUSTED", message)


def _route(model: ServedModel, path: str) -> str:
    match = PATH.fullmatch(path.partition("?")[0])
    if match is None:
        raise RequestError("NOT_FOUND", "Malformed request: no such path")
    model.check(match[1], None if match[2] is None else int(match[2]))
    return match[3] or ""


def _get(model: ServedModel, path: str) -> Any:
    what = _route(model, path)
    if what == ":predict":
        raise RequestError("UNIMPLEMENTED", "Malformed request: predict takes a POST")
    if what == "":
        status = {"error_code": "OK", "error_message": ""}
        version = {"version": str(model.version), "state": "AVAILABLE", "status": status}
        return {"model_version_status": [version]}
    signatures = json_format.MessageToDict(signature_map(model), preserving_proto_field_name=True)
    spec = {"name": model.name, "signature_name": "", "version": str(model.version)}
    return {"model_spec": spec, "metadata": {SIGNATURE_DEF: signatures}}


def _predict(model: ServedModel, path: str, body: Any) -> Any:
    if _route(model, path) != ":predict":
        raise RequestError("UNIMPLEMENTED", "Malformed request: only predict takes a POST")
    if not isinstance(body, dict) or ("inputs" in body) == ("instances" in body):
        raise RequestError("INVALID_ARGUMENT", "The body must have either `instances` or `inputs`")
    signature = body.get("signature_name", DEFAULT_SIGNATURE)
    if not isinstance(signature, str):
        raise RequestError("INVALID_ARGUMENT", "`signature_name` must be a string")
    specs = model.inputs_of(signature)
    rows = "instances" in body
    given = _columns(body["instances"], specs) if rows else body["inputs"]
    if not isinstance(given, dict) or (not rows and len(specs) == 1 and set(given) != set(specs)):
        given = {next(iter(specs)): given} if len(specs) == 1 else {}
    inputs = {name: _array(name, value, specs.get(name)) for name, value in given.items()}
    outputs = {name: _plain(value) for name, value in model.predict(signature, inputs).items()}
    single = next(iter(outputs.values())) if len(outputs) == 1 else None
    if not rows:
        return {"outputs": outputs if single is None else single}
    if single is not None:
        return {"predictions": single}
    lines = zip(*outputs.values(), strict=True)
    return {"predictions": [dict(zip(outputs, line, strict=True)) for line in lines]}


def _columns(instances: Any, specs: dict[str, tf.TensorSpec]) -> dict[str, Any]:
    """Rows as columns; where there is one input a row may be its value."""
    if not isinstance(instances, list) or not instances:
        raise RequestError("INVALID_ARGUMENT", "`instances` must be a list that is not empty")
    if len(specs) == 1 and not isinstance(instances[0], dict):
        return {next(iter(specs)): instances}
    if not all(isinstance(row, dict) and set(row) == set(instances[0]) for row in instances):
        raise RequestError("INVALID_ARGUMENT", "`instances` must name the same inputs each")
    return {name: [row[name] for row in instances] for name in instances[0]}


def _array(name: str, value: Any, spec: tf.TensorSpec | None) -> np.ndarray:
    """A JSON value in the dtype of an input; what is not of it is refused, not cast."""
    try:
        array = np.array(value)
        if spec is None:
            return array
        kinds = {"int32": "i", "int64": "i", "int8": "i", "bool": "b", "string": "U"}
        if array.dtype.kind not in kinds.get(spec.dtype.name, "fi"):
            raise ValueError(f"expected {spec.dtype.name}. Received: {array.dtype}")
        if spec.dtype == tf.string:
            return np.char.encode(array, "utf-8").astype(object)
        cast = array.astype(spec.dtype.as_numpy_dtype)
        if array.dtype.kind == "i" and spec.dtype.is_integer and not (cast == array).all():
            raise ValueError(f"a number is outside of {spec.dtype.name}")
        return cast
    except (ValueError, TypeError, OverflowError) as error:
        said = str(error).splitlines()[0]
        raise RequestError("INVALID_ARGUMENT", f"{name}: not a tensor: {said}") from error


def _plain(value: np.ndarray) -> Any:
    if value.dtype == object:
        return np.vectorize(lambda text: text.decode("utf-8", "replace"), otypes=[object])(
            value
        ).tolist()
    return (value if value.dtype.kind in "biuf" else value.astype("float32")).tolist()
