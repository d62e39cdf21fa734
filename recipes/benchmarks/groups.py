"""KERAS_BACKEND=jax python -m recipes.benchmarks.groups --size small,base --output bench

What running passages in groups gives (`glimmer_keras.layers.group_size`): seconds of two encoder
layers over `--passages` passages all at once, and in groups of each of `--groups`, timed in turn,
and which of them the package takes. Only JAX's CPU backend has groups in the package; elsewhere the
table tells whether it should.

Prints a table and writes DIR/groups-BACKEND.json. Random weights, no padding.
"""

import argparse
from collections.abc import Callable
from functools import partial
from typing import Any

import keras
import numpy as np
from keras import ops
from rich.console import Console
from rich.table import Table

from glimmer_keras.layers import LiveEncoderStage, RelativePositionBias
from glimmer_keras.layers.group_size import group_size
from glimmer_keras.models.sizes import size_arguments
from recipes.benchmarks.machine import machine
from recipes.benchmarks.options import names, numbers
from recipes.benchmarks.report import write_report
from recipes.benchmarks.timing import compiled, interleaved, spread, synchronise

LAYERS = 2


class Encode(keras.Model):
    """Two encoder layers and their position bias, over groups of passages in turn."""

    def __init__(self, size: dict[str, Any]):
        super().__init__()
        dims = (size["num_heads"], 64, size["hidden_dim"], size["intermediate_dim"])
        self.stage = LiveEncoderStage(LAYERS, *dims)
        self.bias = RelativePositionBias(size["num_heads"])
        self.bias.build()
        self.stage.build((None, None, None, size["hidden_dim"]))

    def in_groups(self, group: int, states: Any) -> Any:
        """Run `(passages, length, dim)`, `group` passages at a time, to the same shape."""
        bias, shape = self.bias(states), states.shape

        def run(states):
            return self.stage._run(states, ops.ones((group, 1, 1, shape[1]), "bool"), bias, False)

        if group == shape[0]:
            return run(states)
        return ops.reshape(ops.map(run, ops.reshape(states, (-1, group, *shape[1:]))), shape)


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    options, console = parse(arguments), Console()
    report: dict[str, Any] = {"settings": vars(options), "machine": machine(), "sizes": {}}
    for size in options.size:
        model = Encode(size_arguments(size))
        shape = (options.passages, options.length, model.stage.hidden_dim)
        states = np.random.default_rng(0).normal(size=shape).astype("float32")
        inputs = ops.convert_to_tensor(states)
        calls: dict[int, Callable] = {}
        for group in options.groups:
            run = partial(model.in_groups, group)
            calls[group] = compiled(run, model, (inputs,), keras.backend.backend() == "jax")
            synchronise(calls[group]())
        times = interleaved(calls, options.repeats)
        chosen = group_size(options.passages, options.length) or options.passages
        report["sizes"][size] = {
            "chosen": chosen,
            "seconds": {group: spread(values) for group, values in times.items()},
        }
        print_size(console, size, report["sizes"][size], options)
    write_report(console, "groups", report, options.output)
    return report


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[2])
    parser.add_argument("--size", type=names, default=["small", "base"])
    parser.add_argument("--passages", type=int, default=25)
    parser.add_argument("--length", type=int, default=352, help="tokens of each")
    parser.add_argument("--groups", type=numbers, default=[1, 5], help="that divide --passages")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--output", metavar="DIR")
    options = parser.parse_args(arguments)
    if any(group < 1 or options.passages % group for group in options.groups):
        parser.error("--groups must divide --passages")
    options.groups = sorted({*options.groups, options.passages})
    return options


def print_size(
    console: Console, size: str, measured: dict[str, Any], options: argparse.Namespace
) -> None:
    title = f"{LAYERS} layers of {size} over {options.passages} passages of {options.length} tokens"
    columns = ("milliseconds (median)", "lowest", "highest", "of all at once", "the package's")
    table = Table("passages at a time", *columns, title=title)
    whole = measured["seconds"][options.passages]["median"]
    for group, seconds in measured["seconds"].items():
        cells = [f"{1000 * seconds[key]:.1f}" for key in ("median", "min", "max")]
        cells += [f"{seconds['median'] / whole:.2f}", "x" if group == measured["chosen"] else ""]
        table.add_row(str(group), *cells)
    console.print(table)


if __name__ == "__main__":
    main()
