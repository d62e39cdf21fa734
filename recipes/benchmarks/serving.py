"""python -m recipes.benchmarks.serving --size small --output bench

What serving costs, and whether it holds. A GLIMMER with random weights is exported with a memory
store of invented passages; `glimmer serve` answers over REST in a process of its own. Latency: one
client asks for one question at a time by rows of the exported table, in turn with `generate`'s
compiled function here, from arrays to arrays, each process with the threads TensorFlow takes and
idle while the other works. `times generate` is the client's median over that of `generate`; the
token ids of both must be the same.

Load: `--clients` send `--requests` of 1 to 8 questions to a smaller model, over connections of
their own: rows of the table or passages in tokens, and one of them also memory, whose JSON takes
seconds. Each reply is compared with what the model in this process says: token ids and selected
passages must be the same, floats within 1e-3. The server's resident memory is read when its clients
pause.

Prints tables and writes DIR/serving-BACKEND.json. The backend is that of the model here; the server
is TensorFlow always. Needs Linux. Expect five minutes for small on two cores.
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import keras
from rich.console import Console
from rich.table import Table

from glimmer_keras import Glimmer
from glimmer_keras.memory import MemoryStore
from glimmer_keras.serving.extra import check_extra
from glimmer_keras.utils.progress import Progress
from recipes.benchmarks.limits import Peak, print_limits
from recipes.benchmarks.machine import machine
from recipes.benchmarks.options import add_jit_argument, read_arguments
from recipes.benchmarks.parts.load import Load, differing
from recipes.benchmarks.parts.server import Connection, Served, serving
from recipes.benchmarks.parts.serving import (
    ASKED,
    build,
    draw_requests,
    expected_replies,
    generating,
    load_questions,
    make_questions,
)
from recipes.benchmarks.report import write_report
from recipes.benchmarks.timing import interleaved, percentiles, ratio

TIMED = "answer_from_ids"
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
    add_jit_argument(parser, "of the peak")
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
    """Time one question at the client, and by `generate` here."""
    requests, kinds = make_questions(glimmer, store, 1)
    generate, client, inputs = generating(glimmer), Connection(server), kinds[ASKED[TIMED]]
    expected = expected_replies(glimmer, inputs)

    def ask():
        if wrong := differing(client.predict(TIMED, requests[TIMED]), expected):
            raise RuntimeError(f"{TIMED}: not what `generate` says: {wrong}")

    calls = {"client": ask, "generate": lambda: generate(inputs)}
    interleaved(calls, 2)
    peak = Peak(glimmer.backbone, options.k * options.passage_length, options.jit)
    times = interleaved(calls, options.repeats, peak.measure)
    client.close()
    return {
        "steps": int(expected["answer_lengths"][0]),
        "generate": percentiles(times["generate"]),
        "signatures": {
            TIMED: {
                "client": percentiles(times["client"]),
                "times_generate": ratio(times["client"], times["generate"], {}),
            }
        },
        "peak": peak.report(),
    }


def load(
    glimmer: Glimmer, store: MemoryStore, server: Served, options: argparse.Namespace
) -> dict[str, Any]:
    """Count what became of all requests, and read the server's memory where its clients paused."""
    inputs, expected = load_questions(glimmer, store, options)
    connections = [Connection(server) for _ in range(options.clients)]
    requests, done, memory = draw_requests(options), 0, {}
    load = Load([connection.predict for connection in connections], inputs, expected)
    started = time.perf_counter()
    with Progress("Asking", len(requests), "requests") as progress:
        for share in PAUSES:
            first, done = done, round(share * len(requests))
            load.run(requests[first:done])
            memory[done] = server.megabytes()
            progress.advance(done - first)
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
    timing, loaded, options = report["latency"], report["load"], report["settings"]
    title = (
        f"{options['size']}, one question, {options['k']} passages, {options['m']} selected, "
        f"{timing['steps']} tokens, on {report['machine']['backend']}: milliseconds"
    )
    columns = ("p50", "p95", "generate p50", "generate p95", "times generate")
    table = Table("signature", *columns, title=title)
    for name, timed in timing["signatures"].items():
        times = timed["client"], timing["generate"]
        cells = [f"{1000 * part[key]:.1f}" for part in times for key in ("p50", "p95")]
        table.add_row(name, *cells, f"{timed['times_generate']['measured']:.3f}")
    console.print(table)
    print_limits(console, timing)
    title = (
        f"{options['load_size']}, {options['requests']:,} requests with {loaded['questions']:,} "
        f"questions from {options['clients']} clients in {loaded['seconds']:.0f} s"
    )
    table = Table("what", "number", title=title)
    for name, number in loaded["outcomes"].items():
        table.add_row(name, f"{number:,}")
    times = loaded["request_seconds"]
    words = ", ".join(f"{1000 * times[key]:,.0f}" for key in ("p50", "p95", "max"))
    table.add_row("ms of a request, p50, p95, most", words)
    for number, memory in loaded["megabytes"].items():
        words = f"{memory['now']:,.0f}, at most {memory['greatest']:,.0f} on the way"
        table.add_row(f"MiB after {number:,}", words)
    words = "{now:+.1%}, at most {greatest:+.1%}".format(**loaded["growth"])
    table.add_row(f"growth after {round(FLAT_FROM * options['requests']):,}", words)
    console.print(table)
    for problem in loaded["problems"]:
        console.print(problem)


if __name__ == "__main__":
    main()
