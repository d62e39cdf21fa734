"""The machine's limits, a matrix product's speed and its memory's, and what a model can do there.

Limits are measured between the rounds of a benchmark, as a shared machine is not always as fast.
"""

import math
import statistics
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from keras import ops
from rich.console import Console

from glimmer_keras import GlimmerBackbone
from glimmer_keras.models.matrix_work import decoder_work, memory_work, token_bytes
from recipes.benchmarks.machine import cores
from recipes.benchmarks.timing import fastest, seconds, spread

READ_MEGABYTES = 512


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
        """Time each shape, the best of three."""
        for shape, (call, _) in self.calls.items():
            self.speeds[shape].append(math.prod(shape) / min(seconds(call) for _ in range(3)))

    @property
    def shape(self) -> tuple[int, int, int]:
        """The faster one."""
        return max(self.speeds, key=lambda shape: statistics.median(self.speeds[shape]))

    @property
    def rounds(self) -> list[float]:
        return self.speeds[self.shape]

    def report(self) -> dict[str, Any]:
        """Multiply-accumulates a second over the rounds."""
        described = {"shape": list(self.shape), "dtype": self.dtype}
        described["jit"] = self.calls[self.shape][1]
        return described | {"macs_per_second": spread(self.rounds)}


class ReadSpeed:
    """Bytes a second that all cores together read from memory, measured between rounds."""

    def __init__(self, megabytes: int):
        self.parts = np.array_split(np.ones(megabytes * 2**18, "float32"), cores())
        self.size = megabytes * 2**20
        self.rounds: list[float] = []

    def measure(self) -> None:
        """Time one reading, the best of three."""
        with ThreadPoolExecutor(len(self.parts)) as pool:

            def read():
                return list(pool.map(np.sum, self.parts))

            self.rounds.append(self.size / min(seconds(read) for _ in range(3)))

    def report(self) -> dict[str, Any]:
        return {"megabytes": self.size // 2**20, "bytes_per_second": spread(self.rounds)}


class Limits:
    """The machine's matrix product and its reading, measured between the rounds of a benchmark."""

    def __init__(self, backbone: Any, tokens: int, jit: str):
        self._peak, self._reading = Peak(backbone, tokens, jit), ReadSpeed(READ_MEGABYTES)

    def measure(self) -> None:
        self._peak.measure()
        self._reading.measure()

    @property
    def speeds(self) -> tuple[float, float]:
        """Multiply-accumulates and bytes a second, medians of the rounds."""
        return statistics.median(self._peak.rounds), statistics.median(self._reading.rounds)

    def report(self) -> dict[str, Any]:
        return {"peak": self._peak.report(), "reading": self._reading.report()}


def print_limits(console: Console, case: dict[str, Any]) -> None:
    """Print the matrix product and, where measured, the reading, over the rounds of `case`."""
    peak = case["peak"]["macs_per_second"]
    low, high = (2e-9 * peak[key] for key in ("min", "max"))
    shape = " x ".join(map(str, case["peak"]["shape"]))
    console.print(f"Matrix product {shape}: {low:.0f} to {high:.0f} GFLOP/s over the rounds")
    if "reading" in case:
        read = case["reading"]["bytes_per_second"]
        low, high = (1e-9 * read[key] for key in ("min", "max"))
        console.print(f"Reading memory: {low:.1f} to {high:.1f} GB/s over the rounds")


def token_floor(
    backbone: GlimmerBackbone,
    positions: int,
    batch: int,
    answer: int,
    macs_per_second: float,
    bytes_per_second: float,
) -> dict[str, float]:
    """Give the least seconds that a token of each row of a batch can take together.

    Every token reads the decoder's weights, once for a batch, and all keys and values; its
    products or its reading, whichever takes longer, bounds it.
    """
    read = batch * token_bytes(backbone, positions, batch)
    macs = batch * decoder_work(backbone, 1, positions, answer + 1).total
    bounds = {"reading": read / bytes_per_second, "products": macs / macs_per_second}
    return {"bytes": read, "macs": macs, **bounds, "seconds": max(bounds.values())}


def decoding_seconds(
    backbone: GlimmerBackbone,
    positions: int,
    answer: int,
    batch: int,
    macs_per_second: float,
    bytes_per_second: float,
) -> float:
    """Give the least seconds that a question's keys, values and answer tokens can take."""
    floor = token_floor(backbone, positions, batch, answer, macs_per_second, bytes_per_second)
    tokens = answer * floor["seconds"] / batch
    return memory_work(backbone, positions).total / macs_per_second + tokens
