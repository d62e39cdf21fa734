"""python -m recipes.benchmarks --quick --output bench

All benchmarks one after the other, each on both backends in a process of its own (data, in which
the backend has no part, on one). `--quick` has small settings, meant to finish in 15 minutes on two
cores; without it they take hours. What each run wrote stays in DIR beside its log; all of it is
collected in DIR/all.json and the figures that matter in one table, DIR/all.md, both written anew
after every run. A benchmark that fails is told in a line and the rest goes on; the exit code is
then 1.

`--peer-python` is a Python with torch and transformers, by default this one: with them Hugging
Face's T5 is measured too. The corpus that is encoded is made of an invented world.
"""

import argparse
import json
import random
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from glimmer_keras.utils.files import write_file
from recipes.benchmarks.figures import FIGURES
from recipes.benchmarks.processes import environment
from recipes.worlds.fictional_world import make_world

PACKAGE = "recipes.benchmarks"

# What belongs to `--quick`, and to the full run; CORPUS and PEER are put in. `None` leaves it out.
SETTINGS: dict[str, tuple[str | None, str]] = {
    "data": ("--steps 20 --repeats 2", "--steps 400 --repeats 5"),
    "inference": (
        None,  # `peers` has the same systems
        "--size base --batch 1 --answer-length 16 --repeats 5",
    ),
    "peers": (
        "--size small --k 10 --m 2 --answers 8 --repeats 2 --jit off PEER",
        "--size base --answers 1,4,16 --repeats 5 PEER",
    ),
    "scaling": (
        "--size small --passages 5,10,20 --repeats 3 --jit off",
        "--size base --passages 5,10,25,50,100 --repeats 5",
    ),
    "decoding": (
        "--size small --batch 1,16 --answer-length 8 --repeats 2 --jit on PEER",
        "--size base --batch 1,16 --answer-length 16 --repeats 5 PEER",
    ),
    "memory": (
        "--corpus CORPUS --size small --few 32 --limit 96 --shard-size 48 --rounds 2 --repeats 10",
        "--corpus CORPUS --size base --few 500 --limit 2000",
    ),
    "training": (
        "--size small --k 8 --batch 1 --repeats 2",
        "--size small --k 25 --batch 4 --repeats 5 --memory PEER",
    ),
    "startup": (
        "--size small --repeats 1 --questions 100",
        "--size base --repeats 5 --questions 1000",
    ),
    "serving": (None, "--size small"),
}
PASSAGES = {True: 96, False: 2000}  # of the corpus, quick and full
BACKENDS = ["tensorflow", "jax"]


@dataclass
class Run:
    """One benchmark on one backend, and what came of it."""

    name: str
    backend: str
    arguments: list[str]
    seconds: float = 0.0
    error: str | None = None
    report: dict[str, Any] | None = None


def main(arguments: list[str] | None = None) -> int:
    options, console = parse(arguments), Console()
    output = Path(options.output)
    output.mkdir(parents=True, exist_ok=True)
    peer = has_peer(options.peer_python)
    if not peer:
        console.print("Without Hugging Face's T5: --peer-python has no torch and transformers")
    corpus = output / "corpus.jsonl"
    write_corpus(corpus, PASSAGES[options.quick])
    words = {
        "CORPUS": [str(corpus)],
        "PEER": ["--peer", "hf", "--peer-python", options.peer_python] if peer else [],
    }
    runs: list[Run] = []
    for name in options.only:
        settings = SETTINGS[name][0 if options.quick else 1]
        backends = options.backends[:1] if name == "data" else options.backends
        if settings is None:
            continue
        for backend in backends:
            asked = [part for word in settings.split() for part in words.get(word, [word])]
            runs.append(benchmark(Run(name, backend, asked), output))
            outcome = f"failed: {runs[-1].error}" if runs[-1].error else "done"
            console.print(f"{name}, {backend}: {outcome} ({runs[-1].seconds:.0f} s)", markup=False)
            collected = {"settings": vars(options), "runs": [asdict(run) for run in runs]}
            write_file(output / "all.json", json.dumps(collected, indent=1))
            write_file(output / "all.md", table(runs))
    closing = f"\n{table(runs)}\nWritten to {output / 'all.json'} and all.md"
    console.print(closing, markup=False, soft_wrap=True)
    return int(any(run.error for run in runs))


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[2])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", nargs="+", choices=list(SETTINGS), default=list(SETTINGS))
    parser.add_argument("--backends", nargs="+", choices=BACKENDS, default=BACKENDS)
    parser.add_argument("--peer-python", default=sys.executable, help="with torch, transformers")
    parser.add_argument("--output", metavar="DIR", default="bench")
    return parser.parse_args(arguments)


def has_peer(python: str) -> bool:
    """Tell whether Hugging Face's T5 can be measured with it."""
    look = "import sys, importlib.util as u; sys.exit(not all(map(u.find_spec, sys.argv[1:])))"
    return not subprocess.run([python, "-c", look, "torch", "transformers"]).returncode


def write_corpus(path: Path, number: int) -> None:
    """Write passages of 1 to 24 sentences of an invented world, up to about 300 tokens."""
    texts, rng = " ".join(row["text"] for row in make_world(0).passages), random.Random(0)
    sentences = texts.split(". ")
    rows = (". ".join(rng.sample(sentences, rng.randint(1, 24))) for _ in range(number))
    lines = (json.dumps({"id": str(row), "text": text}) + "\n" for row, text in enumerate(rows))
    path.write_text("".join(lines), encoding="utf-8")


def benchmark(run: Run, output: Path) -> Run:
    """Run it, and put its report, or the last line that it printed, into `run`."""
    command = [sys.executable, "-m", f"{PACKAGE}.{run.name}", *run.arguments]
    command += ["--output", str(output)]
    name, started = f"{run.name}-{run.backend}", time.monotonic()
    with (output / f"{name}.log").open("w", encoding="utf-8") as log:
        variables = environment(KERAS_BACKEND=run.backend)
        done = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, env=variables)
    run.seconds = time.monotonic() - started
    if done.returncode:
        lines = (output / f"{name}.log").read_text(encoding="utf-8").split("\n")
        run.error = next((line.strip() for line in reversed(lines) if line.strip()), "")
        run.error = run.error or f"exit status {done.returncode}"
    else:
        run.report = json.loads((output / f"{name}.json").read_text(encoding="utf-8"))
    return run


def table(runs: list[Run]) -> str:
    """Write all figures as a Markdown table."""
    lines = ["| benchmark | backend | figure | value |", "| --- | --- | --- | --- |"]
    for run in runs:
        figures = FIGURES[run.name](run.report) if run.report else [("failed", run.error or "")]
        rows = [(run.name, run.backend, *figure) for figure in figures]
        lines += ["| " + " | ".join(cell.replace("|", "/") for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
