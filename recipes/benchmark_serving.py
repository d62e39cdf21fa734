"""python recipes/benchmark_serving.py --size small --output bench

What serving costs, and whether it holds. A GLIMMER with random weights is exported with a memory
store of invented passages; `glimmer serve` answers in a process of its own. Latency: one client
asks for one question at a time, in turn with `generate`'s compiled function here, from arrays to
arrays, each process with the threads TensorFlow takes and idle while the other works. `inside` is
the time from a request's message to its reply's as the server measures it, `times generate` its
median over that of `generate`; the token ids of both must be the same.

Load: `--clients` send `--requests` of 1 to 8 questions to all kinds of signatures of a smaller
model, one of them over REST, the others by gRPC over connections of their own. Each reply is
compared with what the model in this process says: token ids and selected passages must be the
same, floats within 1e-3. The server's resident memory is read when its clients pause.

Prints tables and writes DIR/serving-BACKEND.json. The backend is that of the model here; the server
is TensorFlow always. Needs Linux. Expect five minutes for small on two cores.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
from _benchmark import (
    Peak,
    interleaved,
    machine,
    print_limits,
    ratio,
    read_arguments,
    spread,
    write_report,
)
from _load import Load, Predict, Request, differing
from _served import Served, serving
from _serving_parts import (
    ASKED,
    LARGEST_BATCH,
    TIMED,
    build,
    expected_replies,
    generating,
    load_questions,
    make_questions,
)
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from glimmer_keras import Glimmer
from glimmer_keras.memory import MemoryStore
from glimmer_keras.serving.extra import check_extra
from glimmer_keras.serving.rest_transport import RestTransport

PAUSES = (0, 0.05, 0.25, 0.5, 0.75, 1)  # shares of the requests after which memory is read
FLAT_FROM = 0.25


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    options, console = parse(arguments), Console()
    report: dict[str, Any] = {"settings": vars(options), "machine": machine()}
    with tempfile.TemporaryDirectory(dir=options.work) as work:
        for part, size in ((latency, options.size), (load, options.load_size)):
            name = part.__name__
            console.print(f"{size}, {keras.backend.backend()}: exporting, measuring {name}")
            glimmer, store, served = build(size, name, Path(work) / name, options)
            with serving(served) as server:
                report[name] = part(glimmer, store, server, options)
    print_report(console, report)
    write_report(console, "serving", report, options.output)
    return report


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[2])
    parser.add_argument("--size", default="small", help="for latency")
    parser.add_argument("--load-size", default="tiny")
    parser.add_argument("--k", type=int, default=25, help="retrieved passages")
    parser.add_argument("--m", type=int, default=5, help="passages that GLIMMER selects")
    parser.add_argument("--question-length", type=int, default=48)
    parser.add_argument("--passage-length", type=int, default=352, help="with the question")
    parser.add_argument("--answer-length", type=int, default=16)
    parser.add_argument("--passages", type=int, default=200, help="of the corpus")
    parser.add_argument("--repeats", type=int, default=40, help="of each timed call")
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--questions", type=int, default=64, help="that the load is drawn from")
    parser.add_argument("--jit", choices=["on", "off", "best"], default="best", help="of the peak")
    parser.add_argument("--work", metavar="DIR", help="for exports, by default a temporary folder")
    parser.add_argument("--output", metavar="DIR")
    options = read_arguments(parser, arguments)
    if not options.m <= options.k <= options.passages:
        parser.error("--k must be from --m to --passages")
    try:
        check_extra()
    except ImportError as error:
        parser.error(str(error))
    return options


def latency(
    glimmer: Glimmer, store: MemoryStore, server: Served, options: argparse.Namespace
) -> dict[str, Any]:
    """Seconds of one question at the client, inside of the server, and of `generate` here."""
    from _connection import Connection

    requests, kinds = make_questions(glimmer, store, 1)
    generate, client = generating(glimmer), Connection(server)
    expected = {kind: expected_replies(glimmer, kinds[kind]) for kind in ("floats", "int8")}
    inside: dict[str, list[float]] = {name: [] for name in TIMED}

    def ask(name):
        reply = client.predict(name, requests[name])
        inside[name].append(client.seconds_inside)
        if wrong := differing(reply, expected[TIMED[name]]):
            raise RuntimeError(f"{name}: not what `generate` says: {wrong}")

    calls: dict[Any, Callable] = {name: lambda name=name: ask(name) for name in TIMED}
    calls |= {kind: lambda kind=kind: generate(kinds[kind]) for kind in expected}
    interleaved(calls, 2)
    inside.update({name: [] for name in TIMED})
    peak = Peak(glimmer.backbone, options.k * options.passage_length, options.jit)
    times = interleaved(calls, options.repeats, peak.measure)
    client.close()
    return {
        "steps": int(expected["floats"]["answer_lengths"][0]),
        "generate": {kind: percentiles(times[kind]) for kind in expected},
        "signatures": {
            name: {
                "client": percentiles(times[name]),
                "inside": percentiles(inside[name]),
                "times_generate": ratio(inside[name], times[TIMED[name]], {}),
            }
            for name in TIMED
        },
        "peak": peak.report(),
    }


def percentiles(seconds: list[float]) -> dict[str, float]:
    p50, p95 = np.percentile(seconds, [50, 95])
    return spread(seconds) | {"p50": float(p50), "p95": float(p95)}


def load(
    glimmer: Glimmer, store: MemoryStore, server: Served, options: argparse.Namespace
) -> dict[str, Any]:
    """What became of all requests, and the server's memory where its clients paused."""
    inputs, expected = load_questions(glimmer, store, options)
    from _connection import Connection

    rng, last = np.random.default_rng(1), options.clients - 1
    connections = [Connection(server) for _ in range(last)]
    clients: list[Predict] = [connection.predict for connection in connections]
    clients.append(RestTransport(server.rest, server.name, None, 120.0, retries=0).predict)
    requests = []
    for number in range(options.requests):
        client = number % options.clients
        # Memory as JSON takes seconds: by REST, rows of the table are asked for.
        signature = "answer_from_ids" if client == last else str(rng.choice(list(ASKED)))
        batch = rng.integers(1, LARGEST_BATCH + 1)
        requests.append(Request(client, signature, rng.integers(0, options.questions, batch)))
    done, load, memory = 0, Load(clients, inputs, expected), {}
    started = time.perf_counter()
    with Progress(transient=True) as bar:
        task = bar.add_task("Requests", total=len(requests))
        for share in PAUSES:
            first, done = done, round(share * len(requests))
            load.run(requests[first:done])
            memory[done] = server.megabytes()
            bar.update(task, completed=done)
    seconds = time.perf_counter() - started
    for connection in connections:
        connection.close()
    flat = [memory[round(share * len(requests))] for share in (FLAT_FROM, 1)]
    answers = {tuple(row) for row in expected["answer"]["answer_token_ids"].tolist()}
    return {
        "outcomes": dict(load.outcomes),
        "problems": load.problems[:20],
        "questions": sum(len(request.rows) for request in requests),
        "distinct_answers": len(answers),
        "seconds": seconds,
        "request_seconds": percentiles(load.seconds),
        "megabytes": memory,
        "growth": {kind: flat[1][kind] / flat[0][kind] - 1 for kind in ("now", "greatest")},
    }


def print_report(console: Console, report: dict[str, Any]) -> None:
    found, options = report["latency"], report["settings"]
    title = (
        f"{options['size']}, one question, {options['k']} passages, {options['m']} selected, "
        f"{found['steps']} tokens, on {report['machine']['backend']}: milliseconds"
    )
    columns = ("p50", "p95", "inside p50", "inside p95", "generate p50", "inside / generate")
    table = Table("signature", *columns, title=title)
    for name, timed in found["signatures"].items():
        times = timed["client"], timed["inside"]
        cells = [f"{1000 * part[key]:.1f}" for part in times for key in ("p50", "p95")]
        cells.append(f"{1000 * found['generate'][TIMED[name]]['p50']:.1f}")
        table.add_row(name, *cells, f"{timed['times_generate']['measured']:.3f}")
    console.print(table)
    print_limits(console, found)
    found = report["load"]
    title = (
        f"{options['load_size']}, {options['requests']:,} requests with {found['questions']:,} "
        f"questions from {options['clients']} clients in {found['seconds']:.0f} s"
    )
    table = Table("what", "number", title=title)
    for name, number in found["outcomes"].items():
        table.add_row(name, f"{number:,}")
    times = found["request_seconds"]
    said = ", ".join(f"{1000 * times[key]:,.0f}" for key in ("p50", "p95", "max"))
    table.add_row("ms of a request, p50, p95, most", said)
    for number, memory in found["megabytes"].items():
        said = f"{memory['now']:,.0f}, at most {memory['greatest']:,.0f} on the way"
        table.add_row(f"MiB after {number:,}", said)
    said = "{now:+.1%}, at most {greatest:+.1%}".format(**found["growth"])
    table.add_row(f"growth after {round(FLAT_FROM * options['requests']):,}", said)
    console.print(table)
    for problem in found["problems"]:
        console.print(problem)


if __name__ == "__main__":
    main()
