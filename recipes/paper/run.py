"""One training of a cell, scored: what reproduce_paper.py runs again and again."""

import gc
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras
import numpy as np
from _kept_settings import as_json

from glimmer_keras import Glimmer
from glimmer_keras.data import mixture
from glimmer_keras.pipelines import TrainingData, predict
from glimmer_keras.training import Adafactor, Checkpoints
from recipes.paper.cells import Cell
from recipes.paper.data import scores_of
from recipes.paper.model import make_model, t5_fingerprint
from recipes.paper.scale import Scale

STRETCHES = 10  # of a training, each of which leaves its mean losses


def settings_of(cell: Cell, scale: Scale, seed: int, described: dict, best: bool) -> dict[str, Any]:
    """All that a result depends on, as JSON has it."""
    return as_json(
        {
            "cell": asdict(cell),
            "training": scale.training() | {"t5_weights": t5_fingerprint(scale)},
            "data": described["fingerprint"],
            "backend": keras.backend.backend(),
            "best_checkpoint": best,
            "seed": seed,
        }
    )


def run_cell(
    cell: Cell,
    scale: Scale,
    data: TrainingData,
    settings: dict[str, Any],
    folder: Path,
    on_step: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Train and score a cell.

    Args:
        cell: What to train.
        scale: How.
        data: On what.
        settings: Of `settings_of`. With `best_checkpoint` every checkpoint is scored and the best
            on the tasks trained on is taken, as in the paper, rather than the last.
        folder: For checkpoints, where the scale has any.
        on_step: Called after each step.
    """
    keras.backend.clear_session()
    gc.collect()
    seed = settings["seed"]
    keras.utils.set_random_seed(seed)
    glimmer = make_model(cell, scale)
    rate: Any = scale.learning_rate
    if scale.final_rate is not None:
        rate = keras.optimizers.schedules.CosineDecay(rate, scale.steps, alpha=scale.final_rate)
    glimmer.compile(Adafactor(rate), **cell.compile)
    callbacks: list[Any] = [
        keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: on_step())
    ]
    step, log = 0, folder / "stretches.json"
    done: list[dict[str, Any]] = []
    if scale.save_every:
        write(folder / "settings.json", json.dumps(settings).encode())
        callbacks.append(Checkpoints(folder, scale.save_every))
        step = callbacks[-1].restore(glimmer)
        kept = json.loads(log.read_text()) if log.is_file() else []
        done = [stretch for stretch in kept if stretch["step"] <= step]
        if step > 0 and (not done or done[-1]["step"] < step):  # stopped before it was logged
            done.append({"step": step, "seconds": 0.0, "losses": {}})
        for _ in range(step):
            on_step()

    def keep() -> None:
        if scale.save_every:
            write(log, json.dumps(done).encode())

    every = scale.save_every or -(-scale.steps // STRETCHES)
    tasks = [t for t in data.train_tokens if cell.tasks is None or t.name in cell.tasks]
    while True:
        # First, as a run may have been stopped while it scored.
        due = step == scale.steps or (step > 0 and settings["best_checkpoint"])
        if due and "scores" not in done[-1]:
            done[-1] |= score(glimmer, cell, data, scale)
            keep()
        if step == scale.steps:
            break
        length = min(every - step % every, scale.steps - step)
        batches = mixture(
            tasks,
            data.passages,
            scale.batch_size,
            seed=seed,
            start_step=step,
            num_passages=cell.num_passages,
        )
        start = time.perf_counter()
        losses = glimmer.fit(batches, steps_per_epoch=length, callbacks=callbacks, verbose=0)
        step += length
        stretch = {"step": step, "seconds": time.perf_counter() - start}
        stretch["losses"] = {name: values[-1] for name, values in losses.history.items()}
        done.append(stretch)
        keep()
    chosen = best_of(done, [task.name for task in tasks])
    return {
        **{name: chosen[name] for name in ("step", "scores", "average", "recall", "correct")},
        "training": done,
        "layers": glimmer.backbone.layer_counts,
        "parameters": glimmer.count_params(),
    }


def best_of(stretches: list[dict[str, Any]], tasks: list[str]) -> dict[str, Any]:
    """The best on the tasks trained on, of those scored; of equals the first: it trained least."""
    scored = [stretch for stretch in stretches if "scores" in stretch]
    return max(scored, key=lambda stretch: statistics.mean(stretch["scores"][t] for t in tasks))


def score(glimmer: Glimmer, cell: Cell, data: TrainingData, scale: Scale) -> dict[str, Any]:
    """`scores_of` what the model answers with the first k retrieved passages at hand."""
    rows = [np.asarray(task.retrieved)[:, : cell.num_passages] for task in data.dev]
    tasks = [task.with_retrieved(found) for task, found in zip(data.dev, rows, strict=True)]
    batch_size = max(32, scale.batch_size)
    predictions = {
        tokens.name: predict(
            glimmer, tokens.with_retrieved(found), data.passages, batch_size, progress=False
        )
        for tokens, found in zip(data.dev_tokens, rows, strict=True)
    }
    return scores_of(tasks, data.corpus, predictions)
