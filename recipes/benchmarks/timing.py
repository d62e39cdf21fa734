"""Functions compiled as the backend does best, and timed in turn."""

import statistics
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

Times = dict[Any, list[float]]  # seconds in each round


def compiled(function: Callable, model: keras.Model, arguments: tuple, jit: bool) -> Callable:
    """Compile `function(*arguments)` over the variables of `model`, as a call without arguments."""
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
    """Give the ways to compile under `--jit`, by the name to report; other backends have one."""
    backend = keras.backend.backend()
    if backend != "tensorflow":
        return {"jit" if backend == "jax" else "eager": backend == "jax"}
    names = {"on": ["xla"], "off": ["graph"], "best": ["xla", "graph"]}[jit]
    return {name: name == "xla" for name in names}


def fastest(function: Callable, model: keras.Model, arguments: tuple, jit: str) -> tuple:
    """Give the fastest compiled call, its result, and how it was compiled.

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
    """Time one call until its result is computed."""
    started = time.perf_counter()
    synchronise(call())
    return time.perf_counter() - started


def interleaved(calls: dict, repeats: int, between: Callable = lambda: None) -> Times:
    """Time each call in each of `repeats` rounds: A B C, A B C; `between` opens a round."""
    times: Times = {name: [] for name in calls}
    for _ in range(repeats):
        between()
        for name, call in calls.items():
            times[name].append(seconds(call))
    between()
    return times


def spread(values: list[float]) -> dict[str, float]:
    """Give minimum, median and maximum."""
    return {"min": min(values), "median": statistics.median(values), "max": max(values)}


def percentiles(values: list[float]) -> dict[str, float]:
    """Give what `spread` gives, and the 50th and 95th percentile."""
    p50, p95 = np.percentile(values, [50, 95])
    return spread(values) | {"p50": float(p50), "p95": float(p95)}


def ratio(slow: list[float], fast: list[float], predicted: dict[str, float]) -> dict[str, float]:
    """Give the ratio of medians, its span over rounds, and its quotients with the predictions."""
    measured = statistics.median(slow) / statistics.median(fast)
    rounds = [a / b for a, b in zip(slow, fast, strict=True)]
    ratios = {"measured": measured, "lowest": min(rounds), "highest": max(rounds)}
    for name, value in predicted.items():
        ratios |= {f"by_{name}": value, f"over_{name}": measured / value}
    return ratios
