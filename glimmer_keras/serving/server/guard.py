"""What stands before every request: the Host check, and the limits of its body."""

import json

import anyio
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from glimmer_keras.serving.request_error import RequestError
from glimmer_keras.serving.server.hosts import check_host

STATUS = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "UNIMPLEMENTED": 405,
    "DEADLINE_EXCEEDED": 408,
    "OUT_OF_RANGE": 413,
    "RESOURCE_EXHAUSTED": 429,
    "INTERNAL": 500,
}
SECONDS = 30  # that a client may take to send more of a body
MOST_DRAINED = 2**30  # bytes


class Guard:
    """Refuses requests that were meant for another host, and bodies that are too large or slow.

    Args:
        app: Takes the other requests.
        address: What the server is bound to.
        host: What it was asked to bind to.
        max_bytes: Largest body.
    """

    def __init__(self, app: ASGIApp, *, address: str, host: str, max_bytes: int) -> None:
        self._app = app
        self._address, self._host, self._max_bytes = address, host, max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        headers = Headers(scope=scope)
        body = _Body(receive, headers.get("Content-Length", ""), self._max_bytes)

        async def reply(message: Message) -> None:
            if message["type"] == "http.response.start":
                await body.drain()
                MutableHeaders(scope=message)["X-Content-Type-Options"] = "nosniff"
            await send(message)

        try:
            check_host(headers.get("Host", ""), self._address, self._host)
        except RequestError as error:
            return await refusal(error)(scope, body.receive, reply)
        await self._app(scope, body.receive, reply)


def refusal(error: RequestError) -> Response:
    """Make the reply to a request that is refused."""
    content = json.dumps({"error": str(error)})
    return Response(content, STATUS[error.code], media_type="application/json")


class _Body:
    """The body of a request as it comes."""

    def __init__(self, receive: Receive, declared: str, max_bytes: int) -> None:
        self._receive, self._max_bytes = receive, max_bytes
        self._size = int(declared) if declared.isdecimal() else 0
        self._received, self._is_unread = 0, True

    async def receive(self) -> Message:
        self._check(self._size)
        message = await self._next()
        self._received += len(message.get("body", b""))
        self._check(self._received)
        return message

    async def drain(self) -> None:
        """Take what was left unread: a client listens when it has sent all."""
        left = MOST_DRAINED
        while self._is_unread and left > 0:
            try:
                left -= len((await self._next()).get("body", b""))
            except RequestError:
                return

    async def _next(self) -> Message:
        if not self._is_unread:
            return await self._receive()
        try:
            with anyio.fail_after(SECONDS):
                message = await self._receive()
        except TimeoutError as error:
            self._is_unread = False
            raise RequestError(
                "DEADLINE_EXCEEDED", f"Nothing more of the body came in {SECONDS} seconds"
            ) from error
        self._is_unread = message.get("more_body", False)
        return message

    def _check(self, size: int) -> None:
        if size > self._max_bytes:
            raise RequestError("OUT_OF_RANGE", f"{size} bytes, and {self._max_bytes} are allowed")
