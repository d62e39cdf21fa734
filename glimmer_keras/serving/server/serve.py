import signal
import socket
import threading
from pathlib import Path
from typing import Any

import uvicorn

from glimmer_keras.serving.description import ASSETS
from glimmer_keras.serving.server.app import make_app
from glimmer_keras.serving.server.hosts import with_port
from glimmer_keras.serving.server.page import Page
from glimmer_keras.serving.server.served_model import ServedModel, newest_version
from glimmer_keras.serving.warmup import WARMUP, warm_up
from glimmer_keras.utils.quiet import quiet

GRACE_SECONDS = 30


def serve(
    directory: Path,
    name: str | None = None,
    host: str = "127.0.0.1",
    port: int = 8501,
    *,
    page: bool = False,
    max_batch: int = 64,
    max_message_bytes: int = 128 * 2**20,
    max_requests: int = 16,
) -> None:
    """Serve the newest version of a model until SIGTERM or SIGINT.

    Requests that are under way then are still answered. A line on stdout says when it listens.

    Args:
        directory: Its versions, or one of them.
        name: What requests call the model, by default the name of the directory.
        host: To listen on.
        port: To listen on; 0 is one that the system picks.
        page: Whether to show the page.
        max_batch: Most rows of a request.
        max_message_bytes: Largest body of a request.
        max_requests: Most requests at once.

    Raises:
        ValueError: If the model cannot be served.
        OSError: If there is none, or the address is taken.
    """
    stopped, server = threading.Event(), None

    def stop(*_: Any) -> None:
        stopped.set()
        if server is not None:
            server.should_exit = True

    handlers = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        path = newest_version(directory.resolve())
        with quiet():
            model = ServedModel(path, name or path.parent.name, max_batch, max_requests)
            shown = Page(model, path) if page else None
            warm_up(model, path / ASSETS / WARMUP, stopped.is_set)
        with _listen(host, port) as listening:
            address, port = listening.getsockname()[:2]
            app = make_app(
                model,
                max_message_bytes,
                shown.html if shown else None,
                shown.ask if shown else None,
                address,
                host,
            )
            server = make_server(app)
            print(
                f"Serving {model.name} version {model.version}: "
                f"REST http://{with_port(host, port)}" + ("/ has the page" if page else ""),
                flush=True,
            )
            if not stopped.is_set():
                server.run([listening])
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def make_server(app: Any) -> uvicorn.Server:
    """Make a server that is quiet, and is not told where to listen."""
    config = uvicorn.Config(
        app,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    return uvicorn.Server(config)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=128)
