"""A small typed YAML file for a training run: dataclasses, read strictly and written in full."""

from __future__ import annotations

import dataclasses
import difflib
import inspect
import types
import typing
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import yaml

from glimmer_keras.models import GlimmerBackbone
from glimmer_keras.models.sizes import SYSTEMS, T5_SIZES


@dataclass(frozen=True)
class ModelConfig:
    """What is trained.

    Args:
        t5: T5 to start from: a KerasHub preset, `hf://` handle, or folder of either form.
        size: Size of a model that starts from nothing, with `tokenizer`, in place of `t5`.
        tokenizer: SentencePiece file.
        system: `"fid"`, `"lumen"` or `"glimmer"`.
        settings: Arguments of `GlimmerBackbone`, such as `live_proportion` (`1/3` is a number).
        dtype: Policy, such as `"mixed_bfloat16"`.
        question_length: Tokens, as all lengths.
        passage_length: Tokens.
        answer_length: Tokens.
    """

    t5: str | None = None
    size: str | None = None
    tokenizer: str | None = None
    system: str = "glimmer"
    settings: dict[str, Any] = field(default_factory=dict)
    dtype: str | None = None
    question_length: int = 48
    passage_length: int = 304
    answer_length: int = 32


@dataclass(frozen=True)
class DataConfig:
    """What it is trained on.

    Args:
        folder: In the shape of KILT: corpus.jsonl, and TASK-train.jsonl and TASK-dev.jsonl of each
            task.
        tasks: Names of tasks, or of each its relative frequency; empty for all that are there,
            all alike.
        num_passages: `k`, passages retrieved for each question.
        retrieved: Folder of what `glimmer retrieve` wrote for the tasks; `None` retrieves by BM25.
        relevance_filter: Whether to leave out training examples that none of the passages helps.
        dev_limit: Dev examples of each task that are scored; `None` for all.
    """

    folder: str = ""
    tasks: list[str] | dict[str, float] = field(default_factory=list)
    num_passages: int = 25
    retrieved: str | None = None
    relevance_filter: bool = True
    dev_limit: int | None = None


@dataclass(frozen=True)
class FitConfig:
    """How it is trained: the paper's way, unless told otherwise.

    Args:
        steps: Batches in all.
        batch_size: Questions of a batch, over all devices.
        accumulate: Batches whose gradients make one update.
        optimizer: `"adafactor"` or `"adam"`.
        learning_rate: Constant; Adafactor takes at most one over the square root of the updates.
        distillation_weight: lambda.
        distillation_temperature: tau.
        rematerialize: Less memory for a third more work.
        not_finite: What a loss that is not finite does: `"stop"` or `"skip"`.
        seed: Of weights, dropout and batches.
    """

    steps: int = 50_000
    batch_size: int = 128
    accumulate: int = 1
    optimizer: str = "adafactor"
    learning_rate: float = 1e-4
    distillation_weight: float = 1.0
    distillation_temperature: float = 1.0
    rematerialize: bool = False
    not_finite: str = "stop"
    seed: int = 0


@dataclass(frozen=True)
class RunConfig:
    """Where and how often.

    Args:
        hosts: Processes that train together, each started by the same command, with `output` on a
            disk that they share.
        model_parallel: Devices that share one copy of the model (JAX).
        log_every: Steps that a line of the logs is the mean of.
        save_every: Steps from one checkpoint to the next.
        keep: Newest checkpoints that are kept.
        evaluate_every: Steps after which dev tasks are answered, and the best model kept; `None`
            for the end alone.
        peak: FLOP/s of all devices, for the share that training reaches.
    """

    hosts: int = 1
    model_parallel: int = 1
    log_every: int = 50
    save_every: int = 500
    keep: int = 2
    evaluate_every: int | None = None
    peak: float | None = None


@dataclass(frozen=True)
class TrainingConfig:
    """A whole run. See the parts."""

    model: ModelConfig = field(default_factory=ModelConfig)
    data: DataConfig = field(default_factory=DataConfig)
    fit: FitConfig = field(default_factory=FitConfig)
    run: RunConfig = field(default_factory=RunConfig)

    @classmethod
    def read(cls, path: str | Path, changes: typing.Sequence[str] = ()) -> TrainingConfig:
        """Of a YAML file.

        Args:
            path: File.
            changes: `part.name=value` each, put over the file's, the value as YAML.

        Raises:
            ValueError: If the file is not YAML, a name is unknown or a value is of another type,
                with the place, the nearest name or the type.
        """
        try:
            found = yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {}
            for change in changes:
                name, equals, value = change.partition("=")
                if not equals:
                    raise ValueError(f"Changes must be NAME=VALUE. Received: {change}")
                part = found
                *outer, last = name.strip().split(".")
                for key in outer:
                    part = part.setdefault(key, {})
                    if not isinstance(part, dict):
                        raise ValueError(f"`{key}` must have names in it. Received: {part!r}")
                part[last] = yaml.safe_load(value)
        except (yaml.YAMLError, AttributeError, UnicodeDecodeError) as error:
            raise ValueError(f"{path} must be a file of settings in YAML: {error}") from error
        config = _read(cls, found, "")
        config.check()
        return config

    def to_yaml(self) -> str:
        """All settings, those that were left out too."""
        return yaml.safe_dump(dataclasses.asdict(self), sort_keys=False)

    def check(self) -> None:
        """Raise ValueError for what no single type tells."""
        model, data, fit, run = self.model, self.data, self.fit, self.run
        _one_of("model.system", model.system, SYSTEMS)
        _one_of("fit.optimizer", fit.optimizer, ("adafactor", "adam"))
        _one_of("fit.not_finite", fit.not_finite, ("stop", "skip"))
        if (model.t5 is None) == (model.size is None):
            raise ValueError(
                "`model.t5` or `model.size` must be given, and not both. "
                f"Received: t5={model.t5!r}, size={model.size!r}"
            )
        if model.size is not None:
            _one_of("model.size", model.size, T5_SIZES)
            if model.tokenizer is None:
                raise ValueError("`model.tokenizer` must be given with `model.size`.")
        known = set(inspect.signature(GlimmerBackbone).parameters) - {"kwargs", "dtype"}
        for name in model.settings:
            _known(f"model.settings.{name}", name, known)
        for name, folder in (("data.folder", data.folder), ("data.retrieved", data.retrieved)):
            if folder is not None and not Path(folder).is_dir():
                raise ValueError(f"`{name}` must be a folder. Received: {folder!r}")
        counts = {"data.num_passages": data.num_passages, "run.model_parallel": run.model_parallel}
        counts |= {f"fit.{name}": getattr(fit, name) for name in ("steps", "batch_size")}
        counts |= {
            f"run.{name}": getattr(run, name) for name in ("log_every", "save_every", "keep")
        }
        counts |= {"fit.accumulate": fit.accumulate, "run.hosts": run.hosts}
        lengths = ("question_length", "passage_length", "answer_length")
        counts |= {f"model.{name}": getattr(model, name) for name in lengths}
        optional = {"data.dev_limit": data.dev_limit, "run.evaluate_every": run.evaluate_every}
        counts |= {name: value for name, value in optional.items() if value is not None}
        for name, count in counts.items():
            if count < 1:
                raise ValueError(f"`{name}` must be at least 1. Received: {count}")
        over = {f"fit.{n}": getattr(fit, n) for n in ("learning_rate", "distillation_temperature")}
        over |= {"run.peak": 1.0 if run.peak is None else run.peak}
        for name, number in over.items():
            if not number > 0:
                raise ValueError(f"`{name}` must be over 0. Received: {number}")
        weights = list(data.tasks.values()) if isinstance(data.tasks, dict) else [1.0]
        if min(weights, default=1.0) < 0 or not sum(weights or [1.0]) > 0:
            raise ValueError(f"`data.tasks` must be 0 or more, and one over 0. Received: {weights}")


def _read(cls: type, found: Any, place: str) -> Any:
    """A dataclass of what YAML gave."""
    if not isinstance(found, dict):
        raise ValueError(
            f"`{place.rstrip('.') or 'settings'}` must have names in it. Received: {found!r}"
        )
    kinds = typing.get_type_hints(cls)
    for name in found:
        _known(f"{place}{name}", name, kinds)
    values = {}
    for name, value in found.items():
        kind, where = kinds[name], f"{place}{name}"
        nested = dataclasses.is_dataclass(kind)
        values[name] = _read(kind, value, f"{where}.") if nested else _typed(value, kind, where)
    return cls(**values)


def _typed(value: Any, kind: Any, where: str) -> Any:
    """`value` if it is of a type, an integer or a fraction as a float where one is meant."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin is types.UnionType:
        for choice in inner:
            try:
                return _typed(value, choice, where)
            except ValueError:
                continue
    elif origin is list and isinstance(value, list):
        return [_typed(item, inner[0], where) for item in value]
    elif origin is dict and isinstance(value, dict):
        return {_typed(k, str, where): _typed(v, inner[1], where) for k, v in value.items()}
    elif kind is Any:
        return _number(value)
    elif kind is float and not isinstance(value, bool):
        number = _number(value)
        if isinstance(number, (int, float)):
            return float(number)
    elif (
        isinstance(kind, type)
        and isinstance(value, kind)
        and not (kind is int and isinstance(value, bool))
    ):
        return value
    said = kind.__name__ if isinstance(kind, type) and origin is None else str(kind)
    raise ValueError(f"`{where}` must be {said}. Received: {value!r}")


def _number(value: Any) -> Any:
    """`1/3` and `1e-4`, which YAML takes for texts, as numbers."""
    if isinstance(value, str):
        try:
            return float(Fraction(value))
        except (ValueError, ZeroDivisionError):
            return value
    return value


def _known(place: str, name: str, names: typing.Iterable[str]) -> None:
    if name not in names:
        near = difflib.get_close_matches(str(name), list(names), n=1)
        hint = f"Did you mean {near[0]!r}?" if near else f"Known are {', '.join(sorted(names))}."
        raise ValueError(f"`{place}` is not a setting. {hint}")


def _one_of(place: str, value: str, known: typing.Iterable[str]) -> None:
    if value not in known:
        near = difflib.get_close_matches(value, list(known), n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"`{place}` must be one of {list(known)}. Received: {value!r}.{hint}")
