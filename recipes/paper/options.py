"""The command line of the comparisons."""

import argparse
import importlib.util
from collections.abc import Sequence
from pathlib import Path

from recipes.command import Help, OneLineParser
from recipes.paper.claims import Comparison
from recipes.paper.comparisons import comparisons
from recipes.paper.model import asked_scale, check_t5, t5_path
from recipes.paper.scale import SCALES, Scale


def read_options(description: str | None, argv: Sequence[str] | None) -> argparse.Namespace:
    """Read and check the command line; `scale` is the `Scale` with what it changes."""
    parser = OneLineParser("python -m recipes.paper", description=description, formatter_class=Help)
    add = parser.add_argument
    add("--output", type=Path, required=True, help="folder of results and report")
    add("--scale", choices=SCALES, default="tiny", help="world and model")
    add("--seeds", type=seed_numbers, default="0,1,2", help="with commas between")
    add("--only", help="comparisons, with commas between: main,figure3,table1; None: all")
    add("--data", type=Path, help="not with --scale tiny: folder with corpus.jsonl and the tasks")
    add("--t5", help="T5 preset or its folder; None: the package's own, but for --scale base")
    add("--steps", type=int, help="of each training; None: the scale's")
    add("--dtype", help="of the models, such as mixed_bfloat16; None: float32")
    add("--question-task", help="the one of Figures 6 and 7; None: the scale's")
    add(
        "--best-checkpoint",
        action="store_true",
        help="not with --scale tiny: score every checkpoint and take the best, as the paper does",
    )
    add("--report-only", action="store_true", help="train nothing; report what is there")
    options = parser.parse_args(argv)
    if importlib.util.find_spec("matplotlib") is None:
        raise ImportError('The report needs matplotlib: pip install "glimmer_keras[report]"')
    if options.steps is not None and options.steps < 1:
        raise ValueError(f"`--steps` must be at least 1. Received: {options.steps}")
    if min(options.seeds) < 0:
        raise ValueError(f"`--seeds` must be at least 0. Received: {min(options.seeds)}")
    if SCALES[options.scale].world is None:
        known = {"data": None, "t5": SCALES[options.scale].t5}
        for name, default in known.items():
            if getattr(options, name) is None and default is None:
                raise ValueError(f"`--{name}` must be given with --scale {options.scale}.")
    else:
        for name in ("data", "best_checkpoint"):
            if getattr(options, name):
                option = name.replace("_", "-")
                raise ValueError(f"`--{option}` must be left out with --scale tiny.")
    scale = SCALES[options.scale]
    names = ("steps", "t5", "question_task", "dtype")
    options.scale = asked_scale(scale, **{name: getattr(options, name) for name in names})
    check_t5(t5_path(options.scale))
    return options


def seed_numbers(text: str) -> list[int]:
    """Of `0,1,1`, each once."""
    return list(dict.fromkeys(int(number) for number in text.split(",")))


def choose(scale: Scale, only: str | None) -> list[Comparison]:
    """The comparisons asked for, in the order of the paper; `figure3` is both of its halves."""
    known = comparisons(scale)
    if only is None:
        return known
    asked = only.split(",")
    names = {comparison.key: comparison.key.split("-")[0] for comparison in known}
    unknown = sorted(set(asked) - {*names, *names.values()})
    if unknown:
        raise ValueError(
            f"`--only` must be some of {', '.join(names)}. Received: {', '.join(unknown)}"
        )
    return [c for c in known if c.key in asked or names[c.key] in asked]
