"""The REST paths that TensorFlow Serving has, status, metadata and predict, and the page."""

import json
import re
from collections.abc import Callable
from typing import Any

import anyio
import anyio.to_thread
from google.protobuf import json_format
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from glimmer_keras.serving.request_error import RequestError
from glimmer_keras.serving.server.guard import Guard, refusal
from glimmer_keras.serving.server.served_model import DEFAULT_SIGNATURE, ServedModel
from glimmer_keras.serving.server.tensors import read_inputs, write_outputs

MODEL_PATH = re.compile(r"/v1/models/([^/:]+)(?:/versions/(\d{1,18}))?(/metadata|:predict)?")
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
Ask = Callable[[Any], Any]


def make_app(
    model: ServedModel,
    max_message_bytes: int,
    page: bytes | None = None,
    ask: Ask | None = None,
    address: str = "127.0.0.1",
    host: str = "127.0.0.1",
) -> ASGIApp:
    """Make the application that a server runs.

    Args:
        model: What is served.
        max_message_bytes: Largest body of a request.
        page: HTML for `/`.
        ask: Answers what the page posts to `/ask`.
        address: What the server is bound to.
        host: What it was asked to bind to.
    """

    async def answer(request: Request, run: Ask) -> Response:
        """Reply with a function of the body, which runs in a thread."""
        with model.place():
            content = await request.body()
            # A limiter of its own, as threads are limited by the places already.
            return await anyio.to_thread.run_sync(
                lambda: _json(run(_parse(content))), limiter=anyio.CapacityLimiter(1)
            )

    async def show_page(request: Request) -> Response:
        headers = {"Content-Security-Policy": POLICY, "Referrer-Policy": "no-referrer"}
        return Response(page, media_type="text/html", headers=headers)

    async def ask_model(request: Request) -> Response:
        # Another site's page cannot send this type without being allowed to.
        kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if kind != "application/json" or ask is None:
            raise RequestError("INVALID_ARGUMENT", "Content-Type must be application/json")
        return await answer(request, ask)

    async def serve_model(request: Request) -> Response:
        match = MODEL_PATH.fullmatch(request.scope["path"])
        if match is None:
            raise RequestError("NOT_FOUND", "Malformed request: no such path")
        name, version, what = match.groups()
        model.check(name, None if version is None else int(version))
        if request.method == "POST":
            if what != ":predict":
                raise RequestError("UNIMPLEMENTED", "Malformed request: only predict takes a POST")
            return await answer(request, lambda body: _predict(model, body))
        if what == ":predict":
            raise RequestError("UNIMPLEMENTED", "Malformed request: predict takes a POST")
        return _json(_metadata(model) if what else _status(model))

    routes = [Route("/{path:path}", serve_model, methods=["GET", "POST"])]
    if page is not None:
        routes = [Route("/", show_page), Route("/ask", ask_model, methods=["POST"]), *routes]
    app = Starlette(
        routes=routes,
        exception_handlers={
            RequestError: lambda request, error: refusal(error),
            HTTPException: _refuse_method,
            ClientDisconnect: lambda request, error: Response(status_code=400),  # nobody reads it
            Exception: _fail,
        },
    )
    return Guard(app, address=address, host=host, max_bytes=max_message_bytes)


def _predict(model: ServedModel, body: Any) -> dict[str, Any]:
    if not isinstance(body, dict) or ("inputs" in body) == ("instances" in body):
        raise RequestError("INVALID_ARGUMENT", "The body must have either `instances` or `inputs`")
    signature = body.get("signature_name", DEFAULT_SIGNATURE)
    if not isinstance(signature, str):
        raise RequestError("INVALID_ARGUMENT", "`signature_name` must be a string")
    outputs = model.predict(signature, read_inputs(body, model.inputs_of(signature)))
    return write_outputs(outputs, as_rows="instances" in body)


def _status(model: ServedModel) -> dict[str, Any]:
    status = {"error_code": "OK", "error_message": ""}
    version = {"version": str(model.version), "state": "AVAILABLE", "status": status}
    return {"model_version_status": [version]}


def _metadata(model: ServedModel) -> dict[str, Any]:
    signatures = {
        name: json_format.MessageToDict(signature, preserving_proto_field_name=True)
        for name, signature in model.signature_defs.items()
    }
    spec = {"name": model.name, "signature_name": "", "version": str(model.version)}
    return {
        "model_spec": spec,
        "metadata": {"signature_def": {"signature_def": signatures}},
    }


def _parse(content: bytes) -> Any:
    if not content:
        raise RequestError("INVALID_ARGUMENT", "The body must not be empty")
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise RequestError("INVALID_ARGUMENT", f"JSON Parse error: {error}") from error


def _json(content: Any, status: int = 200) -> Response:
    # Not starlette's JSONResponse: that has no NaN, which a broken model may give.
    return Response(json.dumps(content), status, media_type="application/json")


def _refuse_method(request: Request, error: Exception) -> Response:
    return _json({"error": f"Unsupported method ({request.method!r})"}, 501)


def _fail(request: Request, error: Exception) -> Response:
    reason = (str(error).splitlines() or [""])[0]
    return _json({"error": f"{type(error).__name__}: {reason}"}, 500)
