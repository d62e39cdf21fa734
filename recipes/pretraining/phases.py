"""Pretraining of a small T5 as a reader and reranker, in phases."""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import keras_hub

import glimmer_keras as gk
from glimmer_keras.data import Corpus, Task, mixture
from glimmer_keras.models.fingerprint import tokenizer_fingerprint
from glimmer_keras.models.t5_weights import quiet_masks, to_t5
from glimmer_keras.pipelines import tokenize
from glimmer_keras.training import Adafactor, Checkpoints, keep_freed_memory
from recipes.settings import check_settings

WARMUP_STEPS = 100
STEPS_SHOWN = 250
TEMPERATURE = 0.1
# One memory layer of four, as the recipes have it that start from what comes out of this.
READERS: dict[str, dict[str, Any]] = {
    "fid": {},
    "lumen": {"live_proportion": 3 / 4},
    "glimmer": {"live_proportion": 3 / 4, "rerank_proportion": 2 / 3, "num_selected": 2},
}

# reader, steps, batch_size, num_passages, answer_length, learning_rate, and weights of tasks
Phase = dict[str, Any]


def check_options(output: Path, shorten: int) -> None:
    """What is known to be wrong before there is anything to train on."""
    if output.exists():
        raise ValueError(f"`--output` must be a new folder. Received: {output}")
    if shorten < 1:
        raise ValueError(f"`--shorten` must be at least 1. Received: {shorten}")


def shortened(phases: Sequence[Phase], shorten: int) -> list[Phase]:
    """One part in `shorten` of the steps, at least one of each phase."""
    return [phase | {"steps": max(1, phase["steps"] // shorten)} for phase in phases]


def pretrain(
    command: str,
    output: Path,
    t5: keras_hub.models.T5Backbone,
    tokenizer: keras_hub.models.T5Tokenizer,
    corpus: Corpus,
    tasks: list[Task],
    phases: Sequence[Phase],
    lengths: dict[str, int],
    seed: int,
    **about: Any,
) -> None:
    """Trains a T5, and writes its preset and a report.

    Until that is there, `OUTPUT-run` keeps the settings, the presets of the phases that are done
    and the checkpoints of the one that is not; a run that was stopped goes on from them.

    Args:
        command: As the report tells it.
        output: Folder of the preset.
        t5: What to start from.
        tokenizer: Of the preset.
        corpus: What the tasks' rows are of.
        tasks: With rows of passages; a phase takes the first of them, and the tasks it names.
        phases: In their order.
        lengths: `question_length` and `passage_length` in tokens.
        seed: Of batches.
        **about: More for the report.

    Raises:
        ValueError: If `OUTPUT-run` is of other settings.
    """
    keep_freed_memory()
    run = output.with_name(f"{output.name}-run")
    settings = as_json(
        {
            "phases": {str(number): phase for number, phase in enumerate(phases, 1)},
            "start": fingerprint(t5),
            "lengths": lengths,
            "seed": seed,
            "corpus": corpus.fingerprint,
            "tokenizer": tokenizer_fingerprint(tokenizer),
        }
    )
    file = run / "settings.json"
    if file.is_file():
        check_settings(file, json.loads(file.read_text()), settings)
    write(file, json.dumps(settings, indent=1).encode())
    reports = []
    for number, phase in enumerate(phases, 1):
        folder = run / f"phase-{number}"
        report, preset = folder / "report.json", str(folder / "t5")
        if not report.is_file():
            keras.utils.set_random_seed(seed + number)
            print(f"Phase {number} of {len(phases)}: {phase}", flush=True)
            t5, history = train(t5, tokenizer, corpus, tasks, phase, lengths, seed, folder)
            t5.save_to_preset(preset)
            write(report, json.dumps({**phase, **history}).encode())
            shutil.rmtree(folder / "checkpoints")
        with quiet_masks():
            t5 = keras_hub.models.T5Backbone.from_preset(preset)
        reports.append(json.loads(report.read_text()))
    t5.save_to_preset(run / "new")
    tokenizer.save_to_preset(run / "new")
    about = {"seed": seed, **about, "parameters": t5.count_params()}
    command = f"KERAS_BACKEND={keras.backend.backend()} {command}"
    told = {"command": command, **about, "phases": reports}
    write(run / "new" / "report.json", (json.dumps(told, indent=1) + "\n").encode())
    os.replace(run / "new", output)
    shutil.rmtree(run)


def fingerprint(t5: keras_hub.models.T5Backbone) -> str:
    """Of the weights."""
    digest = hashlib.sha256()
    for weight in t5.weights:
        digest.update(keras.ops.convert_to_numpy(weight).tobytes())
    return digest.hexdigest()


def train(
    t5: keras_hub.models.T5Backbone,
    tokenizer: keras_hub.models.T5Tokenizer,
    corpus: Corpus,
    tasks: list[Task],
    phase: Phase,
    lengths: dict[str, int],
    seed: int,
    folder: Path,
) -> tuple[keras_hub.models.T5Backbone, dict[str, Any]]:
    """The T5 after a phase, and its seconds and mean losses by stretch."""
    reader = gk.Glimmer.from_t5(t5, phase["reader"], dropout=0.0, **READERS[phase["reader"]])
    if phase["reader"] != "fid":  # T5 has one position bias for all layers.
        reader.backbone.memory_encoder.position_bias.trainable = False
        reader.backbone.live_position_bias.trainable = False
    k, steps = phase["num_passages"], phase["steps"]
    reader.preprocessor = gk.GlimmerPreprocessor(
        tokenizer, num_passages=k, answer_length=phase["answer_length"], **lengths
    )
    warmup = min(WARMUP_STEPS, steps // 2)
    rate = keras.optimizers.schedules.CosineDecay(
        0.0,
        steps - warmup,
        alpha=0.02,
        warmup_target=phase["learning_rate"],
        warmup_steps=warmup,
    )
    reader.compile(Adafactor(rate), distillation_temperature=TEMPERATURE)
    mixed = [task for task in tasks if task.name in phase["tasks"]]
    tokens, passages = tokenize(mixed, corpus, reader.preprocessor)
    weights = [phase["tasks"][task.name] for task in mixed]

    checkpoints, log = Checkpoints(folder / "checkpoints", steps), folder / "losses.json"
    step = checkpoints.restore(reader)
    kept = json.loads(log.read_text()) if log.is_file() else []
    stretches = [stretch for stretch in kept if stretch["step"] <= step]
    while step < steps:
        length, start = min(STEPS_SHOWN, steps - step), time.perf_counter()
        batches = mixture(
            tokens,
            passages,
            phase["batch_size"],
            seed=seed,
            weights=weights,
            start_step=step,
            num_passages=k,
        )
        fitted = reader.fit(
            batches, steps_per_epoch=length, callbacks=[checkpoints], verbose=2
        ).history
        step += length
        losses = {name: values[-1] for name, values in fitted.items()}
        stretches.append({"step": step, "seconds": time.perf_counter() - start, **losses})
        write(log, json.dumps(stretches).encode())
    seconds = round(sum(stretch.pop("seconds") for stretch in stretches))
    return to_t5(reader.backbone), {"seconds": seconds, "losses": stretches}
