import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from .grpc_api import make_grpc_server
from .hosts import with_port
from .options import make_parser
from .rest_api import make_rest_server
from .served_model import ServedModel, newest_version
from .warm_up import warm_up

GRACE_SECONDS = 30
PAGE = Path(__file__).resolve().with_name("page.html")


def main(argv: Sequence[str]) -> int:
    """Serve until SIGTERM or SIGINT; requests that are under way then are still answered."""
    args = make_parser().parse_args(argv)
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    try:
        path = newest_version(args.directory.resolve())
        name = args.name or path.parent.name
        model = ServedModel(path, name, args.max_batch, args.max_requests)
        page, ask = None, None
        if args.page:
            from .page import Page

            page, ask = PAGE.read_bytes(), Page(model, path).ask
        warm_up(model, path, stopped)
        limit, host = args.max_message_mb * 2**20, args.host
        rest = make_rest_server(model, (host, args.rest_port), limit, page, ask)
        threads = args.max_requests + 4  # some to refuse with
        server, port = make_grpc_server(model, with_port(host, args.port), limit, threads)
    except (ValueError, OSError, OverflowError, ImportError, RuntimeError) as error:
        print(f"glimmer: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    server.start()
    thread = threading.Thread(target=rest.serve_forever, name="rest")
    thread.start()
    print(
        f"Serving {name} version {model.version}: gRPC {with_port(host, port)}, "
        f"REST http://{with_port(host, rest.server_port)}" + ("/ has the page" if page else ""),
        flush=True,
    )
    while not stopped.wait(0.2):
        pass  # a signal that another thread got does not end a wait
    finished = server.stop(GRACE_SECONDS)
    rest.stop(GRACE_SECONDS)
    thread.join()
    finished.wait()
    return 0
