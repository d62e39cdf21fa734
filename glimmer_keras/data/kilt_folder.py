from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from glimmer_keras.data.corpus import Corpus
from glimmer_keras.data.kilt import read_corpus, read_task
from glimmer_keras.data.task import Task

TRAIN = "-train.jsonl"


def read_folder(
    folder: str | Path, tasks: Sequence[str] = ()
) -> tuple[Corpus, list[Task], list[Task]]:
    """A folder in the shape of KILT: corpus, tasks to train on, and dev tasks.

    Args:
        folder: With `TASK-train.jsonl` and `TASK-dev.jsonl` for each task, and the passages as
            corpus.jsonl, or as a folder `corpus` of a `DiskCorpus`.
        tasks: Names, each once, in the order that is wanted; empty for all that are there.

    Raises:
        FileNotFoundError: If a file is not there.
        ValueError: If there is no folder, a task is not there, or a file is not of this form.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(f"`folder` must be a folder. Received: folder={str(folder)!r}")
    there = sorted(path.name[: -len(TRAIN)] for path in folder.glob(f"*{TRAIN}"))
    names = list(tasks) or there
    if not names or len(set(names)) < len(names) or not set(names) <= set(there):
        raise ValueError(
            f"`tasks` must be some of the tasks in {folder}, each once: "
            f"{', '.join(there) or 'none'}. Received: {names}"
        )
    train, dev = (
        [read_task(folder / f"{name}-{split}.jsonl", name) for name in names]
        for split in ("train", "dev")
    )
    disk = folder / "corpus"
    return read_corpus(disk if disk.is_dir() else folder / "corpus.jsonl"), train, dev
