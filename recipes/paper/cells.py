"""The trainings of the paper's comparisons: FiD, LUMEN and GLIMMER with their settings."""

from dataclasses import dataclass, field
from typing import Any

from recipes.paper.scale import Scale


@dataclass(frozen=True)
class Cell:
    """One training, apart from its seed.

    Args:
        name: Of its files; cells of one name are equal.
        num_passages: k.
        settings: Arguments of `Glimmer.from_t5`.
        compile: Arguments of `Glimmer.compile`.
        tasks: Those trained on; `None` for all.
        start: What is done to the weights first: nothing, `"reranker from scratch"` or `"scorer
            at zero"`.
    """

    name: str
    num_passages: int
    settings: dict[str, Any]
    compile: dict[str, Any] = field(default_factory=dict)
    tasks: tuple[str, ...] | None = None
    start: str = ""


def fid(scale: Scale, k: int, tasks: tuple[str, ...] | None = None) -> Cell:
    settings = {"system": "fid", "dropout": scale.dropout}
    return Cell("-".join(["fid", str(k), *alone(tasks)]), k, settings, tasks=tasks)


def lumen(
    scale: Scale, k: int, alpha: float | None = None, tasks: tuple[str, ...] | None = None
) -> Cell:
    settings = {"system": "lumen", "live_proportion": alpha or scale.live_proportion}
    changed = [] if alpha in (None, scale.live_proportion) else [f"alpha-{alpha:.2f}"]
    name = "-".join(["lumen", str(k), *changed, *alone(tasks)])
    return Cell(name, k, {**settings, "dropout": scale.dropout}, tasks=tasks)


def alone(tasks: tuple[str, ...] | None) -> list[str]:
    return [] if tasks is None else ["only", *tasks]


def glimmer(
    scale: Scale, k: int | None = None, m: int | None = None, start: str = "", **changes: Any
) -> Cell:
    """The baseline, or with other arguments of `from_t5` or `compile`, which the name tells."""
    k, m = k or scale.num_passages, m or scale.num_selected
    baseline = {
        "system": "glimmer",
        "live_proportion": scale.live_proportion,
        "rerank_proportion": scale.rerank_proportion,
        "dropout": scale.dropout,
    }
    training = {
        "distillation_temperature": scale.temperature,
        "distillation_weight": 1.0,
        "distillation_direction": "lm_to_rank",
    }
    parts = ["glimmer", str(k), str(m)]
    for name, value in changes.items():
        if value != {**baseline, **training}.get(name):
            short = name.removeprefix("distillation_").replace("_", "-")
            parts += [short, f"{value:.3g}" if isinstance(value, float) else str(value)]
    parts += start.split()
    compile = training | {name: changes[name] for name in training if name in changes}
    rest = {name: value for name, value in changes.items() if name not in training}
    settings = baseline | rest | {"num_selected": m}
    return Cell("-".join(parts), k, settings, compile, start=start)
