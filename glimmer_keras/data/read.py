from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from glimmer_keras.data.corpus import Corpus
from glimmer_keras.data.disk_corpus import DiskCorpus
from glimmer_keras.data.example import Example
from glimmer_keras.data.formats import Source, find_format, reader
from glimmer_keras.data.formats.qrels import read_qrels
from glimmer_keras.data.jsonl import take
from glimmer_keras.data.passage import Passage
from glimmer_keras.data.passage_file import PassageFile
from glimmer_keras.data.provenance import Provenance
from glimmer_keras.data.records import (
    SHAPES,
    Columns,
    is_saved_dataset,
    read_any,
    shape_of,
)
from glimmer_keras.data.task import Task
from glimmer_keras.data.text_folder import read_texts

logger = logging.getLogger("glimmer_keras")

Unanswered = Literal["error", "skip", "keep"]
UNANSWERED = ("error", "skip", "keep")
# Names in the header of a table; one without is of two columns.
COLUMNS = Columns(
    frozenset({"id", "_id", "question", "input", "query", "answer", "answers", "text"}),
    {2: ("first", "second")},
)
OURS = ("lines", "kilt")  # goes without saying
SPLITS = ("train", "dev")


def read_corpus(path: str | Path, format: str | None = None, max_words: int = 200) -> Corpus:
    """Read passages, from a file of any of the formats of `PassageFile`.

    Args:
        path: The file; or the folder of a `DiskCorpus`, which is opened; of a data set that
            `datasets` saved; or one of .txt and .md
            files, see `read_texts`.
        format: Name of the format; `None` for that of the first record.
        max_words: Greatest number of words in a passage that is cut from a page or a text.

    Raises:
        ValueError: Naming the place, if a record is broken or repeats an id.
    """
    if not Path(path).is_dir() or is_saved_dataset(path):
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
    unanswered: Unanswered = "error",
    format: str | None = None,
    qrels: str | Path | None = None,
) -> Task:
    """Read questions with their answers.

    The file is of JSON lines, a JSON list or object, TSV, CSV, Parquet, Arrow, or lines of text,
    plain or compressed; see `data.formats` for what a record of it may be: KILT's, in which every
    output with a provenance gives an alternative evidence set; one with `question` and `answer`, as
    NQ-open and tables have it; queries of BEIR and MS MARCO; SQuAD's; TriviaQA's; FiD's, whose
    passages `read_fid` reads too; or a question a line.

    Args:
        path: The file.
        name: Name of the task. By default the `task` that the rows state, else the file's name
            up to the first dot.
        unanswered: What to do with a row without an answer: `"error"`, `"skip"`, or `"keep"`
            for files that come without answers, such as KILT's test sets.
        format: Name of a format of `data.formats`; `None` for that of the first record.
        qrels: A file of BEIR or TREC that tells which passages answer which question: each is an
            alternative evidence set. Its rows need no answer: `unanswered` is `"keep"` then.

    Raises:
        ValueError: Naming the place, if a record is broken or has no answer; or if `qrels` has none
            of the questions.
    """
    examples = [e for _, e in _examples(path, name, "keep" if qrels else unanswered, format)]
    if qrels:
        examples = _judged(examples, qrels)
    names = list(dict.fromkeys(example.task for example in examples))
    if len(names) > 1:
        raise ValueError(f"{path}: must hold one task, or `name` be given. Received: {names}")
    return Task(names[0], examples)


def read_fid(
    path: str | Path,
    name: str,
    *,
    unanswered: Unanswered = "keep",
    format: str | None = None,
) -> tuple[Task, Corpus]:
    """Read questions that bring their passages, in the form of FiD, Atlas and DPR, or SQuAD.

    Of FiD each passage marked `has_answer` is an alternative evidence set of its own; see
    `data.formats.fid`.

    Args:
        path: The file, as in `read_task`.
        name: Name of the task.
        unanswered, format: As in `read_task`.

    Returns:
        The task, its retrieved rows set, and the corpus of the distinct passages.

    Raises:
        ValueError: Naming the place, if a record is broken, or one passage id comes with two texts.
    """
    passages: dict[str, Passage] = {}
    found = _examples(path, name, unanswered, format)
    examples = [example for _, example in found]
    for where, example in found:
        for passage in example.contexts:
            if passages.setdefault(passage.id, passage) != passage:
                raise ValueError(
                    f"{where}: field `id` of a passage must name one text. Received: "
                    f"id={passage.id!r} with another text before"
                )
    if not passages:
        raise ValueError(f"{path}: must hold at least one passage in `ctxs`. Received: 0 passages")
    corpus = Corpus(passages.values())
    most = max(len(example.contexts) for example in examples)
    rows = np.full((len(examples), most), -1, dtype="int32")
    for row, example in zip(rows, examples, strict=True):
        row[: len(example.contexts)] = [corpus.row(passage.id) for passage in example.contexts]
    return Task(name, examples, rows), corpus


def _examples(
    path: str | Path, name: str | None, unanswered: Unanswered, format: str | None
) -> list[tuple[str, Example]]:
    """Read the examples of a file, at least one, with their places."""
    if unanswered not in UNANSWERED:
        raise ValueError(
            f"`unanswered` must be one of {UNANSWERED}. Received: unanswered={unanswered!r}"
        )
    shape = shape_of(path, COLUMNS)
    file_name = Path(path).name.split(".")[0]
    read = reader("task", format) if format else None
    kept: list[tuple[str, Example]] = []
    for number, line in enumerate(read_any(path, COLUMNS, shape=shape)):
        if read is None:
            found = find_format("task", line.record, line.where)
            read = found.read
            if (shape, found.name) != OURS:
                logger.info("%s: %s, format %s", path, SHAPES[shape], found.name)
        stated = take(line.record, "task", str, line.where) if "task" in line.record else file_name
        for example in read(line.record, Source(name or stated, line.where, number)):
            if not example.answers and unanswered == "error":
                raise ValueError(f"{line.where}: must hold an answer. Received: 0 answers")
            if example.answers or unanswered == "keep":
                kept.append((line.where, example))
    if not kept:
        raise ValueError(f"{path}: must hold at least one row with an answer. Received: 0 rows")
    return kept


def _judged(examples: list[Example], qrels: str | Path) -> list[Example]:
    """Give examples the evidence that judgements have for them."""
    relevant = read_qrels(qrels)
    if not any(example.id in relevant for example in examples):
        raise ValueError(
            f"{qrels}: must have some of the {len(examples)} questions. Received: none of them"
        )
    return [
        replace(example, evidence=tuple((Provenance(passage_id=p),) for p in relevant[example.id]))
        if example.id in relevant
        else example
        for example in examples
    ]


def read_folder(
    folder: str | Path, tasks: Sequence[str] = ()
) -> tuple[Corpus, list[Task], list[Task]]:
    """Read a folder in the shape of KILT: corpus, tasks to train on, and dev tasks.

    Args:
        folder: With `TASK-train.jsonl` and `TASK-dev.jsonl` for each task, or as KILT names them,
            `TASK-train-kilt.jsonl`, perhaps compressed; and the passages as corpus.jsonl, or as a
            folder `corpus` of a `DiskCorpus`.
        tasks: Names, each once, in the order that is wanted; empty for all that are there.

    Raises:
        FileNotFoundError: If a file is not there.
        ValueError: If there is no folder, a task is not there, or a file is not of this form.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(f"`folder` must be a folder. Received: folder={str(folder)!r}")
    available = sorted(files_of(folder, "train"))
    names = list(tasks) or available
    if not names or len(set(names)) < len(names) or not set(names) <= set(available):
        raise ValueError(
            f"`tasks` must be some of the tasks in {folder}, each once: "
            f"{', '.join(available) or 'none'}. Received: {names}"
        )
    train, dev = ([read_task(_split(folder, name, s), name) for name in names] for s in SPLITS)
    on_disk = folder / "corpus"
    return read_corpus(on_disk if on_disk.is_dir() else folder / "corpus.jsonl"), train, dev


def files_of(folder: str | Path, split: str) -> dict[str, Path]:
    """Find the files of a folder for a split, such as `"train"`, by the names of their tasks."""
    form = re.compile(rf"(.+)-{split}(?:-kilt)?\.jsonl(?:\.\w+)?")
    found: dict[str, Path] = {}
    for path in sorted(Path(folder).iterdir()):
        if match := form.fullmatch(path.name):
            if match[1] in found:
                raise ValueError(
                    f"{folder}: must have one file for {match[1]!r} of {split}. Received: "
                    f"{found[match[1]].name} and {path.name}"
                )
            found[match[1]] = path
    return found


def _split(folder: Path, name: str, split: str) -> Path:
    return files_of(folder, split).get(name, folder / f"{name}-{split}.jsonl")


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
