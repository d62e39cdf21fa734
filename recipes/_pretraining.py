"""Pretraining of a small T5 as a reader and reranker, in phases. Shared by recipes."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import keras_hub

import glimmer_keras as gk
from glimmer_keras.data import Corpus, Task, mixture
from glimmer_keras.models.t5_weights import to_t5
from glimmer_keras.pipelines import tokenize

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


def pretrain(
    command: str,
    output: Path,
    tokenizer: keras_hub.models.T5Tokenizer,
    corpus: Corpus,
    tasks: list[Task],
    phases: Sequence[Phase],
    sizes: dict[str, int],
    lengths: dict[str, int],
    seed: int,
    **about: Any,
) -> None:
    """Trains a T5 from nothing, and writes its preset and a report.

    Args:
        command: As the report tells it.
        output: Folder of the preset.
        tokenizer: Of the preset.
        corpus: What the tasks' rows are of.
        tasks: With rows of passages; a phase takes the first of them, and the tasks it names.
        phases: In their order.
        sizes: Layers, heads and widths of the T5.
        lengths: `question_length` and `passage_length` in tokens.
        seed: Of weights and batches.
        **about: More for the report.
    """
    start = time.perf_counter()
    keras.utils.set_random_seed(seed)
    reader = gk.Glimmer.fid(
        "tiny",
        vocabulary_size=tokenizer.vocabulary_size(),
        activation="gelu",
        dropout=0.0,
        tie_embedding_weights=True,
        position_bias_stddev=2.0,
        **sizes,
    )
    reports = []
    for phase in phases:
        phase_start = time.perf_counter()
        system = phase["reader"]
        reader = gk.Glimmer.from_t5(to_t5(reader.backbone), system, dropout=0.0, **READERS[system])
        if system != "fid":  # T5 has one position bias for all layers.
            reader.backbone.memory_encoder.position_bias.trainable = False
            reader.backbone.live_position_bias.trainable = False
        history = train(reader, tokenizer, corpus, tasks, phase, lengths, seed)
        seconds = round(time.perf_counter() - phase_start)
        reports.append({**phase, "seconds": seconds, "history": history})
    t5 = to_t5(reader.backbone)
    t5.save_to_preset(output)
    tokenizer.save_to_preset(output)
    report = {
        "command": f"KERAS_BACKEND={keras.backend.backend()} {command}",
        "seed": seed,
        **about,
        "parameters": t5.count_params(),
        "seconds": round(time.perf_counter() - start),
        "phases": reports,
    }
    (output / "report.json").write_text(json.dumps(report, indent=1) + "\n")


def train(
    reader: gk.Glimmer,
    tokenizer: keras_hub.models.T5Tokenizer,
    corpus: Corpus,
    tasks: list[Task],
    phase: Phase,
    lengths: dict[str, int],
    seed: int,
) -> dict[str, list[float]]:
    reader.preprocessor = gk.GlimmerPreprocessor(
        tokenizer,
        num_passages=phase["num_passages"],
        answer_length=phase["answer_length"],
        **lengths,
    )
    mixed = [task for task in tasks if task.name in phase["tasks"]]
    tokens, passages = tokenize(mixed, corpus, reader.preprocessor)
    batches = mixture(
        tokens,
        passages,
        phase["batch_size"],
        seed=seed,
        weights=[phase["tasks"][task.name] for task in mixed],
        num_passages=phase["num_passages"],
    )
    steps = phase["steps"]
    warmup = min(WARMUP_STEPS, steps // 2)
    rate = keras.optimizers.schedules.CosineDecay(
        0.0,
        steps - warmup,
        alpha=0.02,
        warmup_target=phase["learning_rate"],
        warmup_steps=warmup,
    )
    reader.compile(
        gk.training.Adafactor(rate),
        distillation_temperature=TEMPERATURE,
    )
    epoch = min(steps, STEPS_SHOWN)
    fitted = reader.fit(batches, epochs=steps // epoch, steps_per_epoch=epoch, verbose=2)
    return fitted.history
