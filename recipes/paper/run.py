"""One training of a cell, scored."""

import gc
import json
import statistics
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras
import numpy as np

from glimmer_keras import Glimmer
from glimmer_keras.data import mixture
from glimmer_keras.optimizers import Adafactor
from glimmer_keras.pipelines import TrainingData, predict
from glimmer_keras.training import RunConfig, TrainingRun
from glimmer_keras.utils.files import write_file
from recipes.paper.cells import Cell
from recipes.paper.data import scores_of
from recipes.paper.model import make_model, t5_fingerprint
from recipes.paper.scale import Scale

STRETCHES = 10  # of a training without checkpoints, each of which leaves its mean losses


def settings_of(cell: Cell, scale: Scale, seed: int, described: dict, best: bool) -> dict[str, Any]:
    """All that a result depends on, as JSON has it."""
    settings = {
        "cell": asdict(cell),
        "training": scale.training() | {"t5_weights": t5_fingerprint(scale)},
        "data": described["fingerprint"],
        "backend": keras.backend.backend(),
        "best_checkpoint": best,
        "seed": seed,
    }
    return json.loads(json.dumps(settings))


def run_cell(
    cell: Cell,
    scale: Scale,
    data: TrainingData,
    settings: dict[str, Any],
    folder: Path,
    advance: Callable[[int], None] = lambda steps: None,
) -> dict[str, Any]:
    """Train and score a cell.

    Args:
        cell: What to train.
        scale: How.
        data: On what.
        settings: Of `settings_of`. With `best_checkpoint` the model is scored at every checkpoint
            and the best on the tasks trained on is taken, as in the paper, rather than the last.
        folder: Of the run, which goes on from its last checkpoint.
        advance: Called with the number of steps that are done.

    Raises:
        KeyboardInterrupt: If a signal stopped it, after a checkpoint.
    """
    keras.backend.clear_session()
    gc.collect()
    keras.utils.set_random_seed(settings["seed"])
    glimmer = make_model(cell, scale)
    rate: Any = scale.learning_rate
    if scale.final_rate is not None:
        rate = keras.optimizers.schedules.CosineDecay(rate, scale.steps, alpha=scale.final_rate)
    glimmer.compile(Adafactor(rate), **cell.compile)
    tasks = [t for t in data.train_tokens if cell.tasks is None or t.name in cell.tasks]

    def batches(step: int) -> Any:
        return mixture(
            tasks,
            data.passages,
            scale.batch_size,
            seed=settings["seed"],
            start_step=step,
            num_passages=cell.num_passages,
        )

    write_file(folder / "settings.json", json.dumps(settings))
    every = scale.save_every or -(-scale.steps // STRETCHES)
    best = settings["best_checkpoint"]
    run = TrainingRun(
        glimmer,
        batches,
        folder,
        steps=scale.steps,
        run=RunConfig(log_every=every, save_every=every, evaluate_every=every if best else None),
        monitor="val_average" if best else None,
    )
    scored = Scored(
        folder / "scores.json",
        lambda: score(glimmer, cell, data, scale),
        [task.name for task in tasks],
    )

    def score_epoch(epoch: int, logs: dict[str, float]) -> None:
        logs["val_average"] = scored.add(min((epoch + 1) * every, scale.steps))

    callbacks = [keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: advance(1))]
    if best:
        callbacks.append(keras.callbacks.LambdaCallback(on_epoch_end=score_epoch))
    advance(run.restore())
    if stopped_by := run.fit(callbacks):
        raise KeyboardInterrupt(stopped_by)
    scored.add(scale.steps)
    return {
        **scored.best(),
        "training": run.history(),
        "layers": glimmer.backbone.layer_counts,
        "parameters": glimmer.count_params(),
    }


class Scored:
    """Scores of a run by step, in a file.

    Args:
        file: Of an earlier run too; steps in it are not scored again.
        score: Scores the model as it is.
        tasks: Those trained on, whose mean tells which step is the best.
    """

    def __init__(self, file: Path, score: Callable[[], dict[str, Any]], tasks: list[str]) -> None:
        self.file, self.score, self.tasks = file, score, tasks
        kept = json.loads(file.read_text()) if file.is_file() else {}
        self.by_step: dict[int, dict[str, Any]] = {int(step): kept[step] for step in kept}

    def add(self, step: int) -> float:
        """Score a step, unless it is scored; gives its mean."""
        if step not in self.by_step:
            self.by_step[step] = self.score()
            write_file(self.file, json.dumps(self.by_step))
        return self._mean(step)

    def best(self) -> dict[str, Any]:
        """The best step; of equals the first: it trained least."""
        step = max(sorted(self.by_step), key=self._mean)
        return {"step": step, **self.by_step[step]}

    def _mean(self, step: int) -> float:
        return statistics.mean(self.by_step[step]["scores"][task] for task in self.tasks)


def score(glimmer: Glimmer, cell: Cell, data: TrainingData, scale: Scale) -> dict[str, Any]:
    """`scores_of` what the model answers with the first k retrieved passages at hand."""
    rows = [np.asarray(task.retrieved)[:, : cell.num_passages] for task in data.dev]
    tasks = [task.with_retrieved(first) for task, first in zip(data.dev, rows, strict=True)]
    batch_size = max(32, scale.batch_size)
    predictions = {
        tokens.name: predict(
            glimmer, tokens.with_retrieved(first), data.passages, batch_size, progress=False
        )
        for tokens, first in zip(data.dev_tokens, rows, strict=True)
    }
    return scores_of(tasks, data.corpus, predictions, scale.accuracy)
