from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import yaml

from glimmer_keras.data import mixture
from glimmer_keras.distribution.devices import data_shard, find_hosts, on_devices
from glimmer_keras.distribution.hosts import first_host_first
from glimmer_keras.models import Glimmer, training_flops
from glimmer_keras.pipelines import TrainingData, replace_preset, training_data
from glimmer_keras.training.checkpoints import Checkpoints
from glimmer_keras.training.config import TrainingConfig
from glimmer_keras.training.reader_parts import (
    make_model,
    named_size,
    read_data,
    rows_fingerprint,
)
from glimmer_keras.training.training_run import TrainingRun
from glimmer_keras.utils.files import write_file

logger = logging.getLogger("glimmer_keras")

SETTINGS = "config.yaml"
# What a run that goes on may have otherwise than before.
FREE = {"fit.steps", "data.folder", "data.retrieved"}


class ReaderRun:
    """What `glimmer train` does: a reader trained as a `TrainingConfig` says, in a folder.

    The folder gets the settings (config.yaml), retrieved rows and token ids, checkpoints, log.csv,
    event files, and at the end the preset. The same settings and folder go on with a run that was
    stopped, on any number of devices.

    Args:
        config: The settings.
        output: The folder, new or of the same run.

    Raises:
        ValueError: If the folder holds something else, or a run with other settings.

    Example:
    ```python
    run = ReaderRun(TrainingConfig.read("base.yaml"), "runs/base")
    with run.devices():
        run.prepare()
        signal = run.fit()
    ```
    """

    glimmer: Glimmer
    data: TrainingData
    training: TrainingRun

    def __init__(self, config: TrainingConfig, output: str | Path) -> None:
        self.config = config
        self.output = Path(output)
        _check_folder(self.output, config)

    @contextlib.contextmanager
    def devices(self) -> Iterator[None]:
        """Where model and training are made: `on_devices`, if there are several.

        Raises:
            ValueError: If there are not as many hosts as `run.hosts`, or devices do not fit.
        """
        run = self.config.run
        find_hosts(run.hosts)
        with contextlib.ExitStack() as stack:
            # The devices come last: with several hosts TensorFlow may not have looked at them.
            asked = run.hosts > 1 or run.model_parallel > 1
            if asked or len(keras.distribution.list_devices()) > 1:
                # On JAX each host makes its own rows, on TensorFlow it takes them of all.
                own = keras.backend.backend() == "jax"
                stack.enter_context(on_devices(run.model_parallel, shard_dataset=not own))
            yield

    def prepare(self) -> None:
        """Read the data, build the model, and restore the newest checkpoint.

        Raises:
            ValueError: If settings, data and checkpoint do not fit together.
            FileNotFoundError: If a file is not there.
        """
        config = self.config
        latest = Checkpoints(self.output / "checkpoints", 1).latest_step()
        if latest is not None and latest > config.fit.steps:
            raise ValueError(
                f"`fit.steps` must be at least the {latest} that are done. "
                f"Received: {config.fit.steps}"
            )
        corpus, train, dev = read_data(config.data)
        keras.utils.set_random_seed(config.fit.seed)
        self.glimmer = make_model(config, load_weights=latest is None)
        with first_host_first():
            self.output.mkdir(parents=True, exist_ok=True)
            if not (self.output / SETTINGS).exists():  # What follows takes long, and can go on.
                write_file(self.output / SETTINGS, config.to_yaml())
            self.data = training_data(
                self.output / "data",
                corpus,
                train,
                dev,
                config.data.num_passages,
                self.glimmer.preprocessor,
                config.data.relevance_filter,
            )
        for name, counts in self.data.kept.items():
            logger.info("Relevance filter, %s: %s", name, counts)
        self.training = TrainingRun(
            self.glimmer,
            self._batches,
            self.output,
            steps=config.fit.steps,
            run=config.run,
            data={
                "batch_size": config.fit.batch_size,
                "seed": config.fit.seed,
                "corpus": corpus.fingerprint,
                "tasks": [[task.name, task.fingerprint] for task in self.data.train],
                "retrieved": [rows_fingerprint(task) for task in self.data.train],
            },
            not_finite=config.fit.not_finite,
            monitor="val_average" if config.run.evaluate_every else None,
            **self._work(),
        )
        self.training.restore()
        with first_host_first() as first:
            if first:
                write_file(self.output / SETTINGS, config.to_yaml())

    @property
    def step(self) -> int:
        """Steps that are done."""
        return self.training.step

    @property
    def checkpoints(self) -> Checkpoints:
        """Those of the run."""
        return self.training.checkpoints

    def fit(self, callbacks: Sequence[keras.callbacks.Callback] = ()) -> str | None:
        """Train to the last step, and save the preset.

        Args:
            callbacks: Called before the logs are written, such as `EvaluateByGeneration`.

        Returns:
            The name of the signal that stopped it before, or `None`.

        Raises:
            FloatingPointError: If a loss is not finite; see `NotFinite`.
        """
        if stopped_by := self.training.fit(callbacks):
            return stopped_by
        replace_preset(self.glimmer, self.output / "preset")
        return None

    def dev_batches(self, number: int) -> dict[str, Any]:
        """The first `number` batches of each dev task, for `TaskLosses`."""
        # Hosts that read parts of a batch read the same rows here, and as many.
        parts = data_shard()[1]
        size = self.config.fit.batch_size // parts
        whole = {task.name: task for task in self.data.dev_tokens if len(task) >= size}
        if left := [task.name for task in self.data.dev_tokens if task.name not in whole]:
            logger.warning("Fewer than %d dev examples, no losses of: %s", size, ", ".join(left))
        return {
            name: mixture([task], self.data.passages, size, training=False).take(
                min(number * parts, len(task) // size)
            )
            for name, task in whole.items()
        }

    def _batches(self, step: int) -> Any:
        tasks = self.config.data.tasks
        return mixture(
            self.data.train_tokens,
            self.data.passages,
            self.config.fit.batch_size,
            seed=self.config.fit.seed,
            weights=list(tasks.values()) if isinstance(tasks, dict) else None,
            start_step=step,
            shard=data_shard(),
        )

    def _work(self) -> dict[str, Any]:
        """What a step reads and computes, for `TrainingLog`."""
        model, batch = self.config.model, self.config.fit.batch_size
        passages = self.config.data.num_passages
        length = model.question_length + model.passage_length
        work: dict[str, Any] = {"tokens_per_step": batch * passages * length}
        backbone = self.glimmer.backbone
        if size := named_size(backbone):
            names = ["live_proportion", "rerank_proportion", "num_selected"]
            names += ["cross_attention_key_value_heads", "cross_attention_every"]
            macs = training_flops(
                size,
                model.system,
                num_passages=passages,
                passage_length=length,
                question_length=model.question_length,
                answer_length=model.answer_length,
                dropout=bool(backbone.dropout),
                **{name: getattr(backbone, name) for name in names},
            )
            work["flops_per_step"] = 2 * batch * macs
        return work


def _check_folder(output: Path, config: TrainingConfig) -> None:
    if not output.exists() or (output.is_dir() and not os.listdir(output)):
        return
    if not (output / SETTINGS).is_file():
        raise ValueError(
            f"`output` must be a new folder or that of a run. Received: {str(output)!r}"
        )
    before = yaml.safe_load((output / SETTINGS).read_text(encoding="utf-8"))
    for part, settings in dataclasses.asdict(config).items():
        for name, value in settings.items():
            place, kept = f"{part}.{name}", before.get(part, {}).get(name)
            if part != "run" and place not in FREE and kept != value:
                raise ValueError(
                    f"`{place}` must be as in the run in {output}, {kept!r}. Received: {value!r}"
                )
