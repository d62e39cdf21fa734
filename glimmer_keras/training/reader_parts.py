"""What a `ReaderRun` is made of: its data and its model."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import keras
import keras_hub
import numpy as np

from glimmer_keras.data import Corpus, Task, read_folder, read_retrieved
from glimmer_keras.distribution.replicas import num_replicas
from glimmer_keras.models import Glimmer, GlimmerPreprocessor
from glimmer_keras.models.sizes import T5_SIZES
from glimmer_keras.optimizers.adafactor import Adafactor
from glimmer_keras.optimizers.skipping_optimizer import SkippingOptimizer
from glimmer_keras.training.config import DataConfig, TrainingConfig


def read_data(config: DataConfig) -> tuple[Corpus, list[Task], list[Task]]:
    """Corpus, tasks to train on and dev tasks, with their retrieved rows if those are there."""
    corpus, train, dev = read_folder(config.folder, list(config.tasks))
    if config.retrieved is not None:
        for split, tasks in (("train", train), ("dev", dev)):
            for i, task in enumerate(tasks):
                path = Path(config.retrieved, f"{task.name}-{split}")
                tasks[i] = read_retrieved(path, task, corpus, config.num_passages)
    if config.dev_limit is not None:
        dev = [task.take(config.dev_limit) for task in dev]
    return corpus, train, dev


def make_model(config: TrainingConfig, load_weights: bool = True) -> Glimmer:
    """The compiled reader; without `load_weights` its weights are still to come."""
    model, fit = config.model, config.fit
    settings = dict(model.settings) | ({"dtype": model.dtype} if model.dtype else {})
    if model.t5 is not None:
        glimmer = Glimmer.from_t5(model.t5, model.system, load_weights=load_weights, **settings)
        if glimmer.preprocessor is None:
            raise ValueError(f"`model.t5` must come with a tokenizer. Received: {model.t5!r}")
        tokenizer = glimmer.preprocessor.tokenizer
    else:
        try:
            tokenizer = keras_hub.models.T5Tokenizer(Path(model.tokenizer or "").read_bytes())
        except RuntimeError as error:
            raise ValueError(
                f"`model.tokenizer` must be a SentencePiece model. Received: {model.tokenizer!r}"
            ) from error
        settings.setdefault("vocabulary_size", tokenizer.vocabulary_size())
        glimmer = Glimmer.from_size(model.size, model.system, **settings)
    selected = glimmer.backbone.num_selected or 1
    if config.data.num_passages < selected:
        raise ValueError(
            f"`data.num_passages` must be at least the {selected} of `model.settings.num_selected`."
            f" Received: {config.data.num_passages}"
        )
    if fit.batch_size % num_replicas():
        raise ValueError(
            f"`fit.batch_size` must be a multiple of the {num_replicas()} devices. "
            f"Received: {fit.batch_size}"
        )
    if fit.accumulate > 1 and num_replicas() > 1:
        raise ValueError(
            "`fit.accumulate` must be 1 with several devices on TensorFlow; KERAS_BACKEND=jax "
            f"accumulates on them. Received: {fit.accumulate}"
        )
    lengths = model.question_length, model.passage_length, model.answer_length
    glimmer.preprocessor = GlimmerPreprocessor(tokenizer, *lengths, config.data.num_passages)
    kind = {"adafactor": Adafactor, "adam": keras.optimizers.Adam}[fit.optimizer]
    accumulate = fit.accumulate if fit.accumulate > 1 else None
    optimizer = kind(fit.learning_rate, gradient_accumulation_steps=accumulate)
    glimmer.compile(
        SkippingOptimizer(optimizer) if fit.not_finite == "skip" else optimizer,
        distillation_weight=fit.distillation_weight,
        distillation_temperature=fit.distillation_temperature,
        rematerialize=fit.rematerialize,
    )
    return glimmer


def named_size(backbone: Any) -> str | None:
    """The name of the T5.1.1 size that a backbone has, if it has one."""
    for name, sizes in T5_SIZES.items():
        if all(getattr(backbone, key) == value for key, value in sizes.items()):
            return name
    return None


def rows_fingerprint(task: Task) -> str:
    """Of the retrieved rows, which that of a task leaves out."""
    return hashlib.sha256(np.ascontiguousarray(task.retrieved).tobytes()).hexdigest()
