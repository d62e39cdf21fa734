"""Shared by the benchmarks: compiled functions, interleaved timing, the machine and its peak."""

import argparse
import importlib.metadata
import json
import math
import os
import platform
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops
from rich.console import Console

Times = dict[Any, list[float]]  # seconds in each round


def add_arguments(parser: argparse.ArgumentParser, batch: list[int]) -> None:
    """What every benchmark of FiD, LUMEN and GLIMMER asks."""
    parser.add_argument("--size", type=lambda text: text.split(","), default=["small"])
    parser.add_argument("--k", type=int, default=25, help="retrieved passages")
    parser.add_argument("--m", type=int, default=5, help="passages that GLIMMER selects")
    parser.add_argument("--question-length", type=int, default=48)
    parser.add_argument("--passage-length", type=int, default=352, help="with the question")
    parser.add_argument("--answer-length", type=int, default=16)
    parser.add_argument("--batch", type=numbers, default=batch)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--dtype", choices=["float32", "mixed_bfloat16"], default="float32")
    parser.add_argument("--output", metavar="DIR")


def add_jit_argument(parser: argparse.ArgumentParser) -> None:
    """Which of the ways of `jit_choices` to take."""
    parser.add_argument(
        "--jit", choices=["on", "off", "best"], default="best", help="XLA, on TensorFlow"
    )


def numbers(text: str) -> list[int]:
    """An option's `1,4`."""
    return [int(number) for number in text.split(",")]


def run_cases(
    name: str,
    options: argparse.Namespace,
    build: Callable[[str, argparse.Namespace], dict],
    measure: Callable[[dict, str, int, argparse.Namespace], dict],
    print_case: Callable[[Console, dict, argparse.Namespace], None],
) -> dict[str, Any]:
    """Build the systems of each size, measure and print each batch; gives the report."""
    console = Console()
    report: dict[str, Any] = {"settings": vars(options), "machine": machine(), "cases": []}
    for size in options.size:
        readers = build(size, options)
        for batch in options.batch:
            console.print(f"{size}, batch {batch}, {keras.backend.backend()}: compiling, timing")
            report["cases"].append(measure(readers, size, batch, options))
            print_case(console, report["cases"][-1], options)
    write_report(console, name, report, options.output)
    return report


def print_limits(console: Console, case: dict[str, Any]) -> None:
    """The machine's matrix product and, where measured, its reading, over the rounds of `case`."""
    peak = case["peak"]["macs_per_second"]
    low, high = (2e-9 * peak[key] for key in ("min", "max"))
    shape = " x ".join(map(str, case["peak"]["shape"]))
    console.print(f"Matrix product {shape}: {low:.0f} to {high:.0f} GFLOP/s over the rounds")
    if "reading" in case:
        read = case["reading"]["bytes_per_second"]
        low, high = (1e-9 * read[key] for key in ("min", "max"))
        console.print(f"Reading memory: {low:.1f} to {high:.1f} GB/s over the rounds")


def write_report(console: Console, name: str, report: dict, directory: str | None) -> None:
    """Write the report to `directory`, where there is one, as `NAME-BACKEND.json`."""
    if directory:
        path = Path(directory) / f"{name}-{keras.backend.backend()}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(report, indent=1), encoding="utf-8")
        console.print(f"Written to {path}")


def read_arguments(
    parser: argparse.ArgumentParser, arguments: list[str] | None
) -> argparse.Namespace:
    options = parser.parse_args(arguments)
    if not 1 <= options.question_length < options.passage_length:
        parser.error("--question-length must be from 1 to under --passage-length")
    return options


def compiled(function: Callable, model: keras.Model, arguments: tuple, jit: bool) -> Callable:
    """A call without arguments: `function(*arguments)`, compiled, over the variables of `model`."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        traced = tf.function(function, jit_compile=jit, autograph=False)
        concrete = traced.get_concrete_function(*arguments)
        return lambda: concrete(*arguments)
    if backend == "jax":
        import jax

        variables = model.variables
        values = [variable.value for variable in variables]

        @jax.jit
        def run(values, *arguments):
            # As arguments, weights are not compiled in as constants.
            with keras.StatelessScope(state_mapping=zip(variables, values, strict=True)):
                return function(*arguments)

        return lambda: run(values, *arguments)
    import torch

    @torch.no_grad()
    def call():
        return function(*arguments)

    return call


def jit_choices(jit: str) -> dict[str, bool]:
    """Ways to compile under `--jit`, by the name to report; other backends have one."""
    backend = keras.backend.backend()
    if backend != "tensorflow":
        return {"jit" if backend == "jax" else "eager": backend == "jax"}
    names = {"on": ["xla"], "off": ["graph"], "best": ["xla", "graph"]}[jit]
    return {name: name == "xla" for name in names}


def fastest(function: Callable, model: keras.Model, arguments: tuple, jit: str) -> tuple:
    """The compiled call, its result, and how it was compiled.

    All ways that `jit` allows are compiled; the one with the fastest of two calls is kept.
    """
    calls, results, best = {}, {}, {}
    for name, flag in jit_choices(jit).items():
        calls[name] = compiled(function, model, arguments, flag)
        results[name] = synchronise(calls[name]())
    for name, call in calls.items():
        best[name] = min(seconds(call) for _ in range(2)) if len(calls) > 1 else 0.0
    name = min(best, key=lambda name: best[name])
    return calls[name], results[name], name


def synchronise(result: Any) -> Any:
    """Wait until `result` is computed."""
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        return jax.block_until_ready(result)
    if backend == "tensorflow":
        import tensorflow as tf

        if tf.config.list_physical_devices("GPU"):
            tf.test.experimental.sync_devices()
    else:
        import torch

        if torch.cuda.is_available():
            torch.cuda.synchronize()
    return result


def seconds(call: Callable) -> float:
    """How long one call takes, its result computed."""
    started = time.perf_counter()
    synchronise(call())
    return time.perf_counter() - started


def interleaved(calls: dict, repeats: int, between: Callable = lambda: None) -> Times:
    """Seconds of each call in each of `repeats` rounds: A B C, A B C; `between` opens a round."""
    times: Times = {name: [] for name in calls}
    for _ in range(repeats):
        between()
        for name, call in calls.items():
            times[name].append(seconds(call))
    between()
    return times


def spread(values: list[float]) -> dict[str, float]:
    """Minimum, median and maximum."""
    return {"min": min(values), "median": statistics.median(values), "max": max(values)}


def ratio(slow: list[float], fast: list[float], predicted: dict[str, float]) -> dict[str, float]:
    """The ratio of medians, its span over the rounds, and its quotients with the predictions."""
    measured = statistics.median(slow) / statistics.median(fast)
    rounds = [a / b for a, b in zip(slow, fast, strict=True)]
    found = {"measured": measured, "lowest": min(rounds), "highest": max(rounds)}
    for name, value in predicted.items():
        found |= {f"by_{name}": value, f"over_{name}": measured / value}
    return found


class Peak:
    """The machine's speed in a matrix product `tokens x d x ff`, measured between rounds.

    Of all `tokens` and of `ROWS` of them, as JAX's CPU backend is slower with more: what is faster.
    """

    ROWS = 1760

    def __init__(self, backbone: Any, tokens: int, jit: str):
        d, ff = backbone.hidden_dim, backbone.intermediate_dim
        self.dtype = backbone.dtype_policy.compute_dtype
        rng = np.random.default_rng(0)
        self.calls: dict[tuple[int, int, int], tuple[Callable, str]] = {}
        for rows in {tokens, min(tokens, self.ROWS)}:
            sides = tuple(
                ops.convert_to_tensor(rng.normal(size=size).astype("float32"), dtype=self.dtype)
                for size in ((rows, d), (d, ff))
            )
            call, _, choice = fastest(ops.matmul, backbone, sides, jit)
            self.calls[rows, d, ff] = call, choice
        self.speeds: dict[tuple[int, int, int], list[float]] = {shape: [] for shape in self.calls}

    def measure(self) -> None:
        """Best of three of each shape."""
        for shape, (call, _) in self.calls.items():
            self.speeds[shape].append(math.prod(shape) / min(seconds(call) for _ in range(3)))

    @property
    def shape(self) -> tuple[int, int, int]:
        """The faster one."""
        return max(self.speeds, key=lambda shape: statistics.median(self.speeds[shape]))

    @property
    def rounds(self) -> list[float]:
        return self.speeds[self.shape]

    def report(self) -> dict:
        """Multiply-accumulates a second over the rounds."""
        described = {"shape": list(self.shape), "dtype": self.dtype}
        described["jit"] = self.calls[self.shape][1]
        return described | {"macs_per_second": spread(self.rounds)}


class ReadSpeed:
    """Bytes a second that all cores together read from memory, measured between rounds."""

    def __init__(self, megabytes: int = 512):
        self.parts = np.array_split(np.ones(megabytes * 2**18, "float32"), cores())
        self.size = megabytes * 2**20
        self.rounds: list[float] = []

    def measure(self) -> None:
        """Best of three."""
        with ThreadPoolExecutor(len(self.parts)) as pool:

            def read():
                return list(pool.map(np.sum, self.parts))

            self.rounds.append(self.size / min(seconds(read) for _ in range(3)))

    def report(self) -> dict:
        return {"megabytes": self.size // 2**20, "bytes_per_second": spread(self.rounds)}


def machine() -> dict[str, Any]:
    """What the numbers were measured on."""
    versions = {}
    for name in ("glimmer_keras", "keras", "keras-hub", keras.backend.backend(), "numpy"):
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return {
        "cpu": cpu_model(),
        "cores": cores(),
        "load_before": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "system": platform.platform(),
        "python": platform.python_version(),
        "backend": keras.backend.backend(),
        "devices": devices(),
        "versions": versions,
    }


def cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def devices() -> list[str]:
    if keras.backend.backend() == "torch":
        import torch

        return [torch.cuda.get_device_name()] if torch.cuda.is_available() else ["cpu"]
    if keras.backend.backend() == "jax":
        import jax

        return [device.device_kind for device in jax.devices()]
    return keras.distribution.list_devices()


def cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
