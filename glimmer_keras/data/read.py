from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from glimmer_keras.data.corpus import Corpus
from glimmer_keras.data.disk_corpus import DiskCorpus
from glimmer_keras.data.example import Example
from glimmer_keras.data.formats import reader
from glimmer_keras.data.passage import Passage
from glimmer_keras.data.passage_file import PassageFile
from glimmer_keras.data.task import Task
from glimmer_keras.data.text_folder import read_texts

UNANSWERED = ("error", "skip", "keep")
TRAIN = "-train.jsonl"


def read_corpus(path: str | Path, format: str | None = None, max_words: int = 200) -> Corpus:
    """Read passages, from a file of any of the formats of `PassageFile`.

    Args:
        path: The file; or the folder of a `DiskCorpus`, which is opened; or one of .txt and .md
            files, see `read_texts`.
        format: Name of the format; `None` for that of the first record.
        max_words: Greatest number of words in a passage that is cut from a page or a text.

    Raises:
        ValueError: Naming the place, if a record is broken or repeats an id.
    """
    if not Path(path).is_dir():
        return _held(PassageFile(path, format, max_words))
    return DiskCorpus(path) if DiskCorpus.is_one(path) else read_texts(path, max_words)


def read_knowledge_source(path: str | Path, max_words: int = 200) -> Corpus:
    """Read KILT's knowledge source and cut its pages into passages; see `PassageFile`.

    Args:
        path: A `.jsonl` file, or `.jsonl.gz`.
        max_words: Greatest number of words in a passage.

    Raises:
        ValueError: Naming file and line, if a record is broken or repeats an id.
    """
    return _held(PassageFile(path, "knowledge_source", max_words))


def read_task(
    path: str | Path,
    name: str | None = None,
    *,
    unanswered: Literal["error", "skip", "keep"] = "error",
) -> Task:
    """Read a task in KILT's form, JSON lines of `{"id", "input", "output"}`.

    Every output with a provenance gives an alternative evidence set, also one without an answer;
    see `data.formats.kilt`.

    Args:
        path: A `.jsonl` file, or `.jsonl.gz`.
        name: Name of the task. By default the `task` that the rows state, else the file's name
            up to the first dot.
        unanswered: What to do with a row without an answer: `"error"`, `"skip"`, or `"keep"`
            for files that come without answers, such as KILT's test sets.

    Raises:
        ValueError: Naming file and line, if a record is broken or has no answer.
    """
    if unanswered not in UNANSWERED:
        raise ValueError(
            f"`unanswered` must be one of {UNANSWERED}. Received: unanswered={unanswered!r}"
        )
    examples: list[Example] = []
    for where, example in reader("task", "kilt")(path, name):
        if not example.answers and unanswered == "error":
            raise ValueError(f"{where}: field `output` must hold an answer. Received: 0 answers")
        if example.answers or unanswered == "keep":
            examples.append(example)
    if not examples:
        raise ValueError(f"{path}: must hold at least one row with an answer. Received: 0 rows")
    names = list(dict.fromkeys(example.task for example in examples))
    if len(names) > 1:
        raise ValueError(f"{path}: must hold one task, or `name` be given. Received: {names}")
    return Task(names[0], examples)


def read_fid(path: str | Path, name: str) -> tuple[Task, Corpus]:
    """Read questions that bring their retrieved passages, in the form of FiD and DPR.

    Each passage marked `has_answer` is an alternative evidence set of its own; see
    `data.formats.fid`.

    Args:
        path: A `.json` list or `.jsonl` lines, gzipped or not.
        name: Name of the task.

    Returns:
        The task, its retrieved rows set, and the corpus of the distinct passages.

    Raises:
        ValueError: Naming file and record, if a record is broken, or one passage id comes with
            two texts.
    """
    passages: dict[str, Passage] = {}
    examples: list[Example] = []
    for where, example in reader("task", "fid")(path, name):
        for passage in example.contexts:
            if passages.setdefault(passage.id, passage) != passage:
                raise ValueError(
                    f"{where}: field `id` of `ctxs` must name one text. Received: "
                    f"id={passage.id!r} with another text before"
                )
        examples.append(example)
    if not passages:
        raise ValueError(f"{path}: must hold at least one passage in `ctxs`. Received: 0 passages")
    corpus = Corpus(passages.values())
    most = max(len(example.contexts) for example in examples)
    rows = np.full((len(examples), most), -1, dtype="int32")
    for row, example in zip(rows, examples, strict=True):
        row[: len(example.contexts)] = [corpus.row(passage.id) for passage in example.contexts]
    return Task(name, examples, rows), corpus


def read_folder(
    folder: str | Path, tasks: Sequence[str] = ()
) -> tuple[Corpus, list[Task], list[Task]]:
    """Read a folder in the shape of KILT: corpus, tasks to train on, and dev tasks.

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
    available = sorted(path.name[: -len(TRAIN)] for path in folder.glob(f"*{TRAIN}"))
    names = list(tasks) or available
    if not names or len(set(names)) < len(names) or not set(names) <= set(available):
        raise ValueError(
            f"`tasks` must be some of the tasks in {folder}, each once: "
            f"{', '.join(available) or 'none'}. Received: {names}"
        )
    train, dev = (
        [read_task(folder / f"{name}-{split}.jsonl", name) for name in names]
        for split in ("train", "dev")
    )
    on_disk = folder / "corpus"
    return read_corpus(on_disk if on_disk.is_dir() else folder / "corpus.jsonl"), train, dev


def _held(file: PassageFile) -> Corpus:
    """Hold the passages of a file in memory."""
    passages: dict[str, Passage] = {}
    for place, passage in file.located():
        if passage.id in passages:
            raise ValueError(
                f"{file.path}:{place.line}: field `id` must be unique. Received: id={passage.id!r}"
            )
        passages[passage.id] = passage
    return Corpus(passages.values())
