"""One training of a cell, scored: what reproduce_paper.py runs again and again."""

import gc
import hashlib
import json
import re
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import keras_hub
import numpy as np
from _multitask_settings import read_data
from _paper_cells import Cell
from _paper_scale import Scale
from _training_data import TrainingData, prepare, write
from fictional_world import make_world, write_world

from glimmer_keras import Glimmer, GlimmerPreprocessor
from glimmer_keras.data import Corpus, Task, mixture, read_corpus, read_task
from glimmer_keras.evaluation import score_tasks
from glimmer_keras.metrics import accuracy, exact_match, found_evidence_at
from glimmer_keras.models.sizes import T5_SIZES
from glimmer_keras.models.t5_weights import PRESETS
from glimmer_keras.pipelines import Predictions, predict
from glimmer_keras.training import Adafactor, Checkpoints

WORLD_TASKS = ("qa", "slots", "verify", "compare")
# Scored by accuracy, as in KILT, or like its tasks of that kind; all others by exact match.
BY_ACCURACY = {"slots", "verify", "fever", "fm2", "trex", "structured_zeroshot", "zeroshot_re"}
BY_ACCURACY |= {"docred", "fewrel"}
STRETCHES = 10  # of a training, each of which leaves its mean losses


def load_data(scale: Scale, folder: Path, files: Path | None) -> TrainingData:
    """Passages and tasks, retrieved for the largest k; `folder` keeps what takes long to make."""
    corpus, train, test = world_tasks(scale) if files is None else file_tasks(files)
    if scale.test_questions:
        test = [task.take(scale.test_questions) for task in test]
    return prepare(folder, corpus, train, test, scale.most_passages, preprocessor(scale))


def world_tasks(scale: Scale) -> tuple[Corpus, list[Task], list[Task]]:
    with tempfile.TemporaryDirectory() as folder:
        write_world(make_world(**(scale.world or {})), folder)
        train, test = (
            [read_task(f"{folder}/{name}-{split}.jsonl", name) for name in WORLD_TASKS]
            for split in ("train", "test")
        )
        return read_corpus(f"{folder}/corpus.jsonl"), train, test


def file_tasks(files: Path) -> tuple[Corpus, list[Task], list[Task]]:
    return read_data(SimpleNamespace(data=files, tasks="all", eval_limit=None))


def describe_data(data: TrainingData, scale: Scale) -> dict[str, Any]:
    """Counts, fingerprints, what needs no reader, and how much evidence BM25 has at each depth."""
    depths = sorted({scale.num_selected, 2 * scale.num_selected, scale.num_passages})
    shares = {str(depth): evidence_shares(data, depth) for depth in depths}
    tasks = [*data.train, *data.test]
    digest = hashlib.sha256(data.corpus.fingerprint.encode())
    for task in tasks:
        digest.update(task.fingerprint.encode())
    return {
        "passages": len(data.corpus),
        "train": {task.name: len(task) for task in data.train},
        "test": {task.name: len(task) for task in data.test},
        "cut": {
            "passages": data.passages.truncated,
            "questions": sum(task.truncated["questions"] for task in data.test_tokens),
        },
        "retrieved_recall": {depth: percent(found) for depth, found in shares.items()},
        "all_evidence": {
            depth: percent({name: [share == 1 for share in each] for name, each in found.items()})
            for depth, found in shares.items()
        },
        "baselines": baselines(data),
        "fingerprint": digest.hexdigest(),
    }


def evidence_shares(data: TrainingData, depth: int) -> dict[str, list[float]]:
    """By task, the share of the evidence among the first passages of each question that has any."""
    found = {}
    for task in data.test:
        evidence = map(data.corpus.evidence_rows, task)
        shares = [
            found_evidence_at(retrieved, sets, depth)
            for retrieved, sets in zip(np.asarray(task.retrieved), evidence, strict=True)
            if sets
        ]
        if shares:
            found[task.name] = shares
    return found


def percent(shares: dict[str, list[float]]) -> dict[str, float]:
    """Means by task, and the average over tasks; nothing where there is none."""
    means = {name: 100 * statistics.mean(found) for name, found in shares.items()}
    return means | {"average": statistics.mean(means.values())} if means else {}


def baselines(data: TrainingData) -> dict[str, dict[str, Any]]:
    """What needs no reader: the commonest training answer, and the title of BM25's first."""
    majority, titles = {}, {}
    for train, test in zip(data.train, data.test, strict=True):
        answers = Counter(answer for example in train for answer in set(example.answers))
        majority[test.name] = Predictions(
            [max(answers, key=answers.__getitem__)] * len(test), None, None
        )
        first = np.asarray(test.retrieved)[:, 0]
        found = [data.corpus[row].title if row >= 0 else "" for row in first.tolist()]
        titles[test.name] = Predictions(found, None, None)
    return {
        name: scores_of(data.test, data.corpus, predictions)
        for name, predictions in (
            ("Commonest training answer", majority),
            ("Title of BM25's first passage", titles),
        )
    }


def t5_path(scale: Scale) -> str:
    shipped = PRESETS / str(scale.t5)
    return str(shipped) if shipped.is_dir() else str(scale.t5)


def t5_fingerprint(scale: Scale) -> str:
    """Of the weights where they are files here; a preset's name stands for itself."""
    file = Path(t5_path(scale)) / "model.weights.h5"
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else t5_path(scale)


def preprocessor(scale: Scale, num_passages: int | None = None) -> GlimmerPreprocessor:
    lengths = (scale.question_length, scale.passage_length, scale.answer_length)
    tokenizer = keras_hub.models.T5Tokenizer.from_preset(t5_path(scale))
    return GlimmerPreprocessor(tokenizer, *lengths, num_passages)


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


def make_model(cell: Cell, scale: Scale, **settings: Any) -> Glimmer:
    """The cell's model as it starts."""
    arguments = {"preprocessor": preprocessor(scale, cell.num_passages), **cell.settings}
    glimmer = Glimmer.from_t5(t5_path(scale), **arguments, **settings)
    backbone = glimmer.backbone
    if cell.start == "scorer at zero":
        backbone.passage_scorer.kernel.assign(0.0 * backbone.passage_scorer.kernel)
    elif cell.start == "reranker from scratch":
        fresh = Glimmer.from_t5(t5_path(scale), load_weights=False, **arguments).backbone
        for ours, theirs in zip(backbone.stage_a.weights, fresh.stage_a.weights, strict=True):
            ours.assign(keras.ops.copy(theirs))
    return glimmer


def run_cell(
    cell: Cell,
    scale: Scale,
    data: TrainingData,
    seed: int,
    folder: Path,
    on_step: Callable[[], None] = lambda: None,
    best: bool = False,
) -> dict[str, Any]:
    """Train and score a cell.

    Args:
        cell: What to train.
        scale: How.
        data: On what.
        seed: Of weights, dropout and batches.
        folder: For checkpoints, where the scale has any.
        on_step: Called after each step.
        best: Whether the checkpoint with the best average is scored, as in the paper, rather than
            the last.
    """
    keras.backend.clear_session()
    gc.collect()
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
        callbacks.append(Checkpoints(folder, scale.save_every))
        step = callbacks[-1].restore(glimmer)
        kept = json.loads(log.read_text()) if log.is_file() else []
        done = [stretch for stretch in kept if stretch["step"] <= step]
        for _ in range(step):
            on_step()
    every = scale.save_every or -(-scale.steps // STRETCHES)
    tasks = [t for t in data.train_tokens if cell.tasks is None or t.name in cell.tasks]
    while step < scale.steps:
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
        if best or step == scale.steps:
            start = time.perf_counter()
            stretch |= score(glimmer, cell, data, scale)
            stretch["scoring_seconds"] = time.perf_counter() - start
        done.append(stretch)
        if scale.save_every:
            write(log, json.dumps(done).encode())
    # Of equals the first: it trained least.
    chosen = max((stretch for stretch in done if "scores" in stretch), key=lambda s: s["average"])
    return {
        **{name: chosen[name] for name in ("step", "scores", "average", "recall", "correct")},
        "training": done,
        "fit_seconds": sum(stretch["seconds"] for stretch in done),
        "layers": glimmer.backbone.layer_counts,
        "parameters": glimmer.count_params(),
    }


def score(glimmer: Glimmer, cell: Cell, data: TrainingData, scale: Scale) -> dict[str, Any]:
    """`scores_of` what the model answers with the first k retrieved passages at hand."""
    rows = [np.asarray(task.retrieved)[:, : cell.num_passages] for task in data.test]
    tasks = [task.with_retrieved(found) for task, found in zip(data.test, rows, strict=True)]
    batch_size = max(32, scale.batch_size)
    predictions = {
        tokens.name: predict(
            glimmer, tokens.with_retrieved(found), data.passages, batch_size, progress=False
        )
        for tokens, found in zip(data.test_tokens, rows, strict=True)
    }
    return scores_of(tasks, data.corpus, predictions)


def scores_of(
    tasks: list[Task], corpus: Corpus, predictions: dict[str, Predictions]
) -> dict[str, Any]:
    """Points of 100, and a digit for every question: whether its answer is right.

    Each task by KILT's metric of its kind, the mean over them, and recall@m.
    """
    correct = {}
    for task in tasks:
        metric = accuracy if task.name in BY_ACCURACY else exact_match
        answers = zip(predictions[task.name].answers, task, strict=True)
        correct[task.name] = "".join(
            str(int(metric(answer, example.answers))) for answer, example in answers
        )
    scores = {name: 100 * digits.count("1") / len(digits) for name, digits in correct.items()}
    table = score_tasks(tasks, corpus, predictions)
    recall = {
        name: {kind: 100 * row[f"{kind}_recall"] for kind in ("retrieved", "reranked")}
        for name, row in table.items()
        if "reranked_recall" in row
    }
    average = sum(scores.values()) / len(scores)
    return {"scores": scores, "average": average, "recall": recall, "correct": correct}


def with_steps(scale: Scale, steps: int | None, t5: str | None) -> Scale:
    scale = replace(scale, steps=steps or scale.steps, t5=t5 or scale.t5)
    return replace(scale, num_layers=encoder_layers(scale) or scale.num_layers)


def encoder_layers(scale: Scale) -> int | None:
    """Of the T5 in a folder, or of the size in a preset's name."""
    file = Path(t5_path(scale)) / "config.json"
    if file.is_file():
        return json.loads(file.read_text()).get("config", {}).get("num_layers")
    sizes = [size for size in re.split("[_/]", str(scale.t5)) if size in T5_SIZES]
    return T5_SIZES[sizes[0]]["num_layers"] if sizes else None
