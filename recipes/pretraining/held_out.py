"""Training questions of a folder in the shape of KILT, and those held out to tune on."""

from __future__ import annotations

import hashlib
from pathlib import Path

from glimmer_keras import data
from glimmer_keras.data import Task, read_task

HELD_ONE_IN = 20
TRAIN = "-train.jsonl"


def is_held_out(example: data.Example) -> bool:
    """Whether pretraining leaves a question out: one passage in twenty, with its questions."""
    pieces = [piece.passage_id for pieces in example.evidence for piece in pieces]
    return is_held(pieces[0] if pieces else example.id)


def is_held(name: str) -> bool:
    """Whether a passage is one of those that are held out."""
    return int(hashlib.sha256(name.encode()).hexdigest(), 16) % HELD_ONE_IN == 0


def split_task(task: Task) -> tuple[Task | None, Task | None]:
    """What is trained on, and what is held out to tune on; `None` where nothing is."""
    parts: tuple[list[data.Example], list[data.Example]] = ([], [])
    for example in task:
        parts[is_held_out(example)].append(example)
    trained, held = (Task(task.name, part) if part else None for part in parts)
    return trained, held


def training_tasks(folder: Path) -> list[Task]:
    """Read the training questions of a folder in the shape of KILT."""
    paths = sorted(folder.glob(f"*{TRAIN}"))
    return [read_task(path, path.name.removesuffix(TRAIN)) for path in paths]
