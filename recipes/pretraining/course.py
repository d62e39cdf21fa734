"""How a reader is pretrained from nothing: in which windows, on which tasks, at which rates."""

from __future__ import annotations

import itertools
import json
import statistics
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import keras

import glimmer_keras as gk
from glimmer_keras.models.matrix_work import student_work
from glimmer_keras.optimizers import Adafactor
from glimmer_keras.training import RunConfig, TrainingRun
from glimmer_keras.utils.files import write_file
from recipes.pretraining.reader import Sizes, is_bert
from recipes.pretraining.stream import Shape, Stream
from recipes.pretraining.work import peak_flops

WARMUP_STEPS = 100
STEPS_TIMED = 5
STEPS_SHOWN = 50
SECONDS_AT_RISK = 240

Weights = dict[str, tuple[float, float]]


@dataclass(frozen=True)
class Phase:
    """A stretch of training with batches of one shape.

    Args:
        share: Of the time.
        system: `"fid"`, or `"lumen"`, whose first layers do not see the question.
        shape: Of a batch.
        rate: Learning rate at the first and at the last step, a cosine between them.
        tasks: Weights of the tasks made of the text, at the first and at the last step.
        questions: Likewise, of all questions of people together.
        encoder_rate: Of embeddings and encoder, as a share of the rate.
    """

    share: float
    system: str
    shape: Shape
    rate: tuple[float, float]
    tasks: Weights
    questions: tuple[float, float]
    encoder_rate: float = 1.0


SHORT = Shape(batch=64, question=24, passage=48, answer=16)
# Short windows round the answer teach to find and copy several times sooner than whole passages.
PHASES = (
    Phase(
        0.07,
        "fid",
        SHORT,
        (2e-2, 2e-2),
        {"recite": (0.75, 0.5), "corrupt": (0.03, 0.05), "cloze": (0.12, 0.2)},
        (0.1, 0.2),
    ),
    Phase(
        0.28,
        "fid",
        SHORT,
        (2e-2, 1.2e-2),
        {
            "recite": (0.15, 0.0),
            "corrupt": (0.05, 0.03),
            "cloze": (0.25, 0.2),
            "recur": (0.1, 0.15),
            "ask": (0.05, 0.05),
            "slot": (0.04, 0.03),
            "claim": (0.06, 0.07),
            "mend": (0.03, 0.06),
            "spot": (0.05, 0.1),
        },
        (0.3, 0.45),
    ),
    Phase(
        0.3,
        "lumen",
        Shape(batch=64, question=32, passage=96, answer=16),
        (1.2e-2, 6e-3),
        {
            "corrupt": (0.03, 0.02),
            "cloze": (0.2, 0.12),
            "recur": (0.15, 0.1),
            "ask": (0.05, 0.03),
            "slot": (0.03, 0.02),
            "claim": (0.1, 0.08),
            "mend": (0.06, 0.04),
            "spot": (0.12, 0.06),
            "untold": (0.06, 0.06),
        },
        (0.44, 0.66),
    ),
    Phase(
        0.35,
        "lumen",
        Shape(batch=40, question=40, passage=192, answer=16),
        (6e-3, 2e-4),
        {
            "corrupt": (0.02, 0.0),
            "cloze": (0.1, 0.05),
            "recur": (0.08, 0.05),
            "ask": (0.03, 0.0),
            "slot": (0.02, 0.0),
            "claim": (0.08, 0.05),
            "mend": (0.04, 0.03),
            "spot": (0.06, 0.03),
            "untold": (0.06, 0.06),
        },
        (0.7, 0.87),
    ),
)


BERT_TASKS: Weights = {
    "corrupt": (0.02, 0.0),
    "cloze": (0.12, 0.06),
    "recur": (0.08, 0.06),
    "claim": (0.05, 0.04),
    "spot": (0.05, 0.03),
    "untold": (0.03, 0.03),
}
BERT_RATE = 0.3  # of the decoder's, which is fresh
# Of a reader whose encoder starts as a BERT: all its layers read both texts at first, as BERT's do.
BERT_PHASES = (
    Phase(
        0.32,
        "fid",
        SHORT,
        (3e-3, 3e-3),
        {
            "recite": (0.05, 0.0),
            "cloze": (0.13, 0.13),
            "recur": (0.08, 0.08),
            "claim": (0.04, 0.04),
        },
        (0.7, 0.75),
        BERT_RATE,
    ),
    Phase(
        0.3,
        "lumen",
        Shape(batch=48, question=32, passage=96, answer=16),
        (3e-3, 1.5e-3),
        BERT_TASKS,
        (0.65, 0.75),
        BERT_RATE,
    ),
    Phase(
        0.38,
        "lumen",
        Shape(batch=32, question=40, passage=192, answer=16),
        (1.5e-3, 5e-5),
        BERT_TASKS,
        (0.75, 0.87),
        BERT_RATE,
    ),
)


@keras.saving.register_keras_serializable(package="glimmer_keras.recipes")
class Cosine(keras.optimizers.schedules.LearningRateSchedule):
    """From one rate to another, after a linear rise to the first."""

    def __init__(self, first: float, last: float, steps: int, warmup: int) -> None:
        self.first, self.last, self.steps, self.warmup = first, last, steps, warmup

    def __call__(self, step: Any) -> Any:
        step = keras.ops.cast(step, "float32")
        part = keras.ops.minimum(step / self.steps, 1.0)
        cosine = 0.5 * (1.0 + keras.ops.cos(3.14159265 * part))
        rate = self.last + (self.first - self.last) * cosine
        return rate * keras.ops.minimum((step + 1.0) / self.warmup, 1.0)

    def get_config(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("first", "last", "steps", "warmup")}


def phases_from(start: Path | None) -> list[Phase]:
    """What is to be done: all, or after a start those with memory, in all of the time."""
    if start is not None and is_bert(start):
        return list(BERT_PHASES)
    phases = [phase for phase in PHASES if start is None or phase.system != "fid"]
    share = sum(phase.share for phase in phases)
    return [replace(phase, share=phase.share / share) for phase in phases]


def mixed(phase: Phase, tasks: Mapping[str, int]) -> Weights:
    """The weights of a phase, those of questions split by the square roots of their numbers."""
    roots = {name: size**0.5 for name, size in tasks.items()}
    total = sum(roots.values())
    asked = {
        name: (phase.questions[0] * root / total, phase.questions[1] * root / total)
        for name, root in roots.items()
    }
    return phase.tasks | asked


@keras.saving.register_keras_serializable(package="glimmer_keras.recipes")
class SlowEncoder(Adafactor):
    """Adafactor, at a share of its rate for all that is not of the decoder."""

    def __init__(self, *args: Any, encoder_rate: float = 1.0, **options: Any) -> None:
        super().__init__(*args, **options)
        self.encoder_rate = encoder_rate

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        path = self._trainable_variables[self._get_variable_index(variable)].path
        share = 1.0 if "decoder" in path.split("/") else self.encoder_rate
        super().update_step(gradient, variable, learning_rate * share)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "encoder_rate": self.encoder_rate}


def adafactor(rate: tuple[float, float], steps: int, encoder_rate: float = 1.0) -> Adafactor:
    """From one rate to another in a number of steps, warmed up."""
    schedule = Cosine(*rate, steps, min(WARMUP_STEPS, max(1, steps // 2)))
    if encoder_rate == 1:
        return Adafactor(schedule)
    return SlowEncoder(schedule, encoder_rate=encoder_rate)


def seconds_a_step(reader: gk.Glimmer, batches: Iterator[Any]) -> float:
    """The median of a few steps, of a compiled reader that is thrown away."""
    times = []
    for batch in itertools.islice(batches, STEPS_TIMED + 1):
        start = time.perf_counter()
        reader.train_on_batch(*batch)
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def train_phase(
    reader: gk.Glimmer,
    sizes: Sizes,
    phase: Phase,
    stream: Stream,
    folder: Path,
    seconds: float,
) -> None:
    """Train a compiled reader, and write its T5 to `folder/t5`.

    Args:
        reader: As the phase begins with it.
        sizes: Of the whole reader, as which it ends.
        phase: What is done.
        stream: Of batches.
        folder: Gets the run, a report and the T5.
        seconds: Of a step, as they were measured.

    Raises:
        KeyboardInterrupt: If a signal stopped it, after a checkpoint.
    """
    config = RunConfig(
        log_every=STEPS_SHOWN,
        save_every=max(1, int(SECONDS_AT_RISK / seconds)),
        peak=peak_flops(sizes, phase.shape, reader.backbone.dtype_policy.compute_dtype),
    )
    shape = phase.shape
    work = student_work(reader.backbone, 1, shape.question, shape.passage, shape.answer)
    run = TrainingRun(
        reader,
        stream.start_at,
        folder,
        steps=stream.steps,
        run=config,
        flops_per_step=6.0 * phase.shape.batch * work.total,
    )
    run.restore()
    if stopped_by := run.fit():
        raise KeyboardInterrupt(stopped_by)
    losses = run.history()
    speeds = [row["steps_per_second"] for row in losses if "steps_per_second" in row]
    shares = [row["share_of_peak"] for row in losses if "share_of_peak" in row]
    if speeds and shares:
        print(
            f"{phase.shape.batch * statistics.median(speeds):.0f} examples/s, "
            f"{100 * statistics.median(shares):.0f} % of the matrix product's speed",
            flush=True,
        )
    if not (folder / "t5").is_dir():
        reader.export_to_transformers(str(folder / "t5"))
    report = {"phase": asdict(phase), "losses": losses}
    write_file(folder / "report.json", json.dumps(report))
