"""The settings of a training run: what Python users fill and `glimmer train` reads from YAML."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Sequence
from dataclasses import field
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, model_validator

from glimmer_keras.models import GlimmerBackbone
from glimmer_keras.training.checked import (
    Count,
    Folder,
    Number,
    Positive,
    Seed,
    Setting,
    Weight,
    checked,
    unknown_name,
)
from glimmer_keras.training.strict_yaml import read_settings


def _known_settings(settings: dict[str, Any]) -> dict[str, Any]:
    known = set(inspect.signature(GlimmerBackbone).parameters) - {"kwargs", "dtype"}
    for name in settings.keys() - known:
        raise ValueError(unknown_name(f"settings.{name}", name, known))
    return settings


def _some_weight(tasks: list[str] | dict[str, float]) -> list[str] | dict[str, float]:
    weights = list(tasks.values()) if isinstance(tasks, dict) else []
    if min(weights, default=0) < 0 or (weights and not sum(weights) > 0):
        raise ValueError(f"must be 0 or more, and one over 0. Received: {weights}")
    return tasks


@checked
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
    size: Literal["tiny", "small", "base", "large", "xl", "xxl"] | None = None
    tokenizer: str | None = None
    system: Literal["fid", "lumen", "glimmer"] = "glimmer"
    settings: Annotated[dict[str, Setting], AfterValidator(_known_settings)] = field(
        default_factory=dict
    )
    dtype: str | None = None
    question_length: Count = 48
    passage_length: Count = 304
    answer_length: Count = 32

    @model_validator(mode="after")
    def _one_start(self) -> ModelConfig:
        if (self.t5 is None) == (self.size is None):
            raise ValueError(
                "`t5` or `size` must be given, and not both. "
                f"Received: t5={self.t5!r}, size={self.size!r}"
            )
        if self.size is not None and self.tokenizer is None:
            raise ValueError("`tokenizer` must be given with `size`.")
        return self


@checked
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

    folder: Folder
    tasks: Annotated[list[str] | dict[str, Number], AfterValidator(_some_weight)] = field(
        default_factory=list
    )
    num_passages: Count = 25
    retrieved: Folder | None = None
    relevance_filter: bool = True
    dev_limit: Count | None = None


@checked
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

    steps: Count = 50_000
    batch_size: Count = 128
    accumulate: Count = 1
    optimizer: Literal["adafactor", "adam"] = "adafactor"
    learning_rate: Positive = 1e-4
    distillation_weight: Weight = 1.0
    distillation_temperature: Positive = 1.0
    rematerialize: bool = False
    not_finite: Literal["stop", "skip"] = "stop"
    seed: Seed = 0


@checked
class RunConfig:
    """Where and how often.

    Args:
        hosts: Processes that train together, each started by the same command, with `output` on a
            disk that they share.
        model_parallel: Devices that share one copy of the model (JAX).
        log_every: Steps that a line of the logs is the mean of, and from one to the next time that
            hosts tell each other of signals.
        save_every: Steps from one checkpoint to the next.
        keep: Newest checkpoints that are kept.
        evaluate_every: Steps after which dev tasks are answered, and the best model kept; `None`
            for the end alone.
        peak: FLOP/s of all devices, for the share that training reaches.
    """

    hosts: Count = 1
    model_parallel: Count = 1
    log_every: Count = 50
    save_every: Count = 500
    keep: Count = 2
    evaluate_every: Count | None = None
    peak: Positive | None = None


@checked
class TrainingConfig:
    """A whole run. See the parts."""

    model: ModelConfig
    data: DataConfig
    fit: FitConfig = field(default_factory=FitConfig)
    run: RunConfig = field(default_factory=RunConfig)

    @classmethod
    def read(cls, path: str | Path, changes: Sequence[str] = ()) -> TrainingConfig:
        """Read a YAML file.

        Args:
            path: File.
            changes: `part.name=value` each, put over the file's, the value as YAML.

        Raises:
            ValueError: If the file is not YAML, a name is unknown or a value is of another type or
                out of bounds, with the place, the nearest name or the type.
        """
        settings = read_settings(path, changes)
        parts: dict[str, Any] = {}
        for name, kind in (
            ("model", ModelConfig),
            ("data", DataConfig),
            ("fit", FitConfig),
            ("run", RunConfig),
        ):
            values = settings.pop(name, {})
            if not isinstance(values, dict):
                raise ValueError(f"`{name}` must have names in it. Received: {values!r}")
            try:
                parts[name] = kind(**{str(key): value for key, value in values.items()})
            except ValueError as error:  # Its places are in this part.
                raise ValueError(re.sub(r"`(?=\w)", f"`{name}.", str(error))) from None
        for name in map(str, settings):
            raise ValueError(unknown_name(name, name, parts))
        return cls(**parts)

    def to_yaml(self) -> str:
        """All settings, those that were left out too."""
        return yaml.safe_dump(dataclasses.asdict(self), sort_keys=False)
