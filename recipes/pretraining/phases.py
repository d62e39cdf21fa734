"""Pretraining of a small T5 as a reader and reranker, in phases."""

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import keras_hub

import glimmer_keras as gk
from glimmer_keras.data import Corpus, Task, mixture
from glimmer_keras.models.fingerprint import tokenizer_fingerprint
from glimmer_keras.optimizers import Adafactor
from glimmer_keras.pipelines import tokenize
from glimmer_keras.training import RunConfig, TrainingRun, keep_freed_memory
from glimmer_keras.utils.files import new_folder, write_file
from recipes.pretraining.reader import freeze_position_biases
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


@dataclass(frozen=True)
class Course:
    """What a T5 is trained on, phase after phase.

    Args:
        tokenizer: Of the T5.
        corpus: What the tasks' rows are of.
        tasks: With rows of passages; a phase takes the first of them, and the tasks it names.
        phases: In their order.
        lengths: `question_length` and `passage_length` in tokens.
        seed: Of batches.
    """

    tokenizer: keras_hub.models.T5Tokenizer
    corpus: Corpus
    tasks: list[Task]
    phases: Sequence[Phase]
    lengths: dict[str, int]
    seed: int


def check_options(output: Path, shorten: int) -> None:
    """What is known to be wrong before there is anything to train on."""
    if output.exists():
        raise ValueError(f"`--output` must be a new folder. Received: {output}")
    if shorten < 1:
        raise ValueError(f"`--shorten` must be at least 1. Received: {shorten}")


def shortened(phases: Sequence[Phase], shorten: int) -> list[Phase]:
    """One part in `shorten` of the steps, at least one of each phase."""
    return [phase | {"steps": max(1, phase["steps"] // shorten)} for phase in phases]


def pretrain(command: str, output: Path, start: gk.Glimmer, course: Course, **about: Any) -> None:
    """Train a T5, and write the reader as which it ends, and a report.

    Until that is done, `OUTPUT-run` keeps the settings, the readers of the phases that are done
    and the run of the one that is not; the same command goes on with it.

    Args:
        command: As the report tells it.
        output: Folder, for `Glimmer.from_preset` and `Glimmer.from_t5`.
        start: What to start from, as FiD.
        course: What to train it on.
        **about: More for the report.

    Raises:
        ValueError: If `OUTPUT-run` is of other settings.
        KeyboardInterrupt: If a signal stopped it, after a checkpoint.
    """
    keep_freed_memory()
    run = output.with_name(f"{output.name}-run")
    settings = {
        "phases": {str(number): phase for number, phase in enumerate(course.phases, 1)},
        "start": fingerprint(start),
        "lengths": course.lengths,
        "seed": course.seed,
        "corpus": course.corpus.fingerprint,
        "tokenizer": tokenizer_fingerprint(course.tokenizer),
    }
    file = run / "settings.json"
    if file.is_file():
        check_settings(file, json.loads(file.read_text()), settings)
    write_file(file, json.dumps(settings, indent=1))
    folders = [run / f"phase-{number}" for number in range(1, len(course.phases) + 1)]
    done = sum((folder / "report.json").is_file() for folder in folders)
    started = run / "start"
    if not started.is_dir():
        start.preprocessor = gk.GlimmerPreprocessor(course.tokenizer)
        start.export_to_transformers(started)
    for number in range(done, len(folders)):
        phase, folder = course.phases[number], folders[number]
        keras.utils.set_random_seed(course.seed + number + 1)
        print(f"Phase {number + 1} of {len(folders)}: {phase}", flush=True)
        before = folders[number - 1] / "reader" if number else started
        reader, losses = train_phase(before, course, phase, folder)
        if not (folder / "reader").is_dir():
            reader.export_to_transformers(folder / "reader")
        write_file(folder / "report.json", json.dumps({**phase, "losses": losses}))
        shutil.rmtree(folder / "checkpoints")
    reports = [json.loads((folder / "report.json").read_text()) for folder in folders]
    command = f"KERAS_BACKEND={keras.backend.backend()} {command}"
    reader = gk.Glimmer.from_hugging_face(folders[-1] / "reader")
    parameters = reader.backbone.count_params()
    about = {"command": command, "seed": course.seed, **about, "parameters": parameters}
    with new_folder(output, what="`--output`") as new:
        shutil.copytree(folders[-1] / "reader", new, dirs_exist_ok=True)
        write_file(new / "report.json", json.dumps({**about, "phases": reports}, indent=1) + "\n")
    shutil.rmtree(run)


def fingerprint(reader: gk.Glimmer) -> str:
    """Of the weights."""
    digest = hashlib.sha256()
    for weight in reader.weights:
        digest.update(keras.ops.convert_to_numpy(weight).tobytes())
    return digest.hexdigest()


def train_phase(
    before: Path, course: Course, phase: Phase, folder: Path
) -> tuple[gk.Glimmer, list[dict[str, float]]]:
    """The reader after a phase, and the means of its losses, stretch by stretch."""
    settings = READERS[phase["reader"]]
    reader = gk.Glimmer.from_t5(str(before), phase["reader"], dropout=0.0, **settings)
    if phase["reader"] != "fid":
        freeze_position_biases(reader)
    steps, num_passages = phase["steps"], phase["num_passages"]
    reader.preprocessor = gk.GlimmerPreprocessor(
        course.tokenizer,
        num_passages=num_passages,
        answer_length=phase["answer_length"],
        **course.lengths,
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
    mixed = [task for task in course.tasks if task.name in phase["tasks"]]
    tokens, passages = tokenize(mixed, course.corpus, reader.preprocessor)
    weights = [phase["tasks"][task.name] for task in mixed]

    def batches(step: int) -> Any:
        return mixture(
            tokens,
            passages,
            phase["batch_size"],
            seed=course.seed,
            weights=weights,
            start_step=step,
            num_passages=num_passages,
        )

    config = RunConfig(log_every=STEPS_SHOWN, save_every=STEPS_SHOWN)
    run = TrainingRun(reader, batches, folder, steps=steps, run=config)
    run.restore()
    if stopped_by := run.fit():
        raise KeyboardInterrupt(stopped_by)
    return reader, run.history()
