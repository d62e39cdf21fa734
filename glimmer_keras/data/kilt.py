from pathlib import Path
from typing import Any, Literal

from glimmer_keras.data.corpus import Corpus
from glimmer_keras.data.disk_corpus import DiskCorpus
from glimmer_keras.data.example import Example
from glimmer_keras.data.jsonl import Record, read_records, take, take_id
from glimmer_keras.data.passage import Passage
from glimmer_keras.data.passage_file import PassageFile
from glimmer_keras.data.provenance import Provenance
from glimmer_keras.data.task import Task

UNANSWERED = ("error", "skip", "keep")


def read_corpus(path: str | Path) -> Corpus:
    """Read passages from JSON lines of `{"id", "title", "text"}`; the title may be left out.

    Args:
        path: A `.jsonl` file, or `.jsonl.gz`; or the folder of a `DiskCorpus`, which is opened.

    Raises:
        ValueError: Naming file and line, if a record is broken or repeats an id.
    """
    return DiskCorpus(path) if Path(path).is_dir() else _read(PassageFile(path))


def read_knowledge_source(path: str | Path, max_words: int = 200) -> Corpus:
    """Read KILT's knowledge source and cut its pages into passages; see `PassageFile`.

    Args:
        path: A `.jsonl` file, or `.jsonl.gz`.
        max_words: Greatest number of words in a passage; see `split_page`.

    Raises:
        ValueError: Naming file and line, if a record is broken or repeats an id.
    """
    return _read(PassageFile(path, knowledge_source=True, max_words=max_words))


def _read(file: PassageFile) -> Corpus:
    passages: dict[str, Passage] = {}
    for place, passage in file.located():
        if passage.id in passages:
            raise ValueError(
                f"{file.path}:{place.line}: field `id` must be unique. Received: id={passage.id!r}"
            )
        passages[passage.id] = passage
    return Corpus(passages.values())


def read_task(
    path: str | Path,
    name: str | None = None,
    *,
    unanswered: Literal["error", "skip", "keep"] = "error",
) -> Task:
    """Read a task in KILT's form.

    Each line is `{"id", "input", "output": [{"answer", "provenance": [...]}]}`, a provenance
    being `{"passage_id"}` or `{"wikipedia_id", "start_paragraph_id", "end_paragraph_id"}`. Every
    output with a provenance gives an alternative evidence set, also one without an answer.

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
    default_name = Path(path).name.split(".")[0]
    examples: list[Example] = []
    names: dict[str, None] = {}
    for where, record in read_records(path):
        example = _example(record, name, default_name, where)
        if not example.answers and unanswered == "error":
            raise ValueError(f"{where}: field `output` must hold an answer. Received: 0 answers")
        if example.answers or unanswered == "keep":
            examples.append(example)
            names[example.task] = None
    if not examples:
        raise ValueError(f"{path}: must hold at least one row with an answer. Received: 0 rows")
    if len(names) > 1:
        raise ValueError(f"{path}: must hold one task, or `name` be given. Received: {[*names]}")
    return Task(next(iter(names)), examples)


def _example(record: Record, name: str | None, default_name: str, where: str) -> Example:
    outputs = take(record, "output", list, where) if "output" in record else []
    answers, evidence = [], []
    for output in outputs:
        if not isinstance(output, dict):
            raise ValueError(f"{where}: field `output` must be a list of objects")
        answer = output.get("answer")
        if answer is not None and take(output, "answer", str, where).strip():
            answers.append(answer)
        pieces = output.get("provenance") or []
        if pieces:
            evidence.append(tuple(piece_provenance(piece, where) for piece in pieces))
    return Example(
        id=take_id(record, "id", where),
        task=name or (take(record, "task", str, where) if "task" in record else default_name),
        question=_question(record, where),
        answers=tuple(answers),
        evidence=tuple(dict.fromkeys(evidence)),
    )


def _question(record: Record, where: str) -> str:
    question = take(record, "input", str, where)
    if not question.strip():
        raise ValueError(f"{where}: field `input` must not be blank. Received: input={question!r}")
    return question


def piece_provenance(piece: Any, where: str) -> Provenance:
    """A piece of KILT's `provenance`; an empty one where it names no page."""
    if not isinstance(piece, dict):
        raise ValueError(f"{where}: field `provenance` must be a list of objects")
    if "passage_id" in piece:
        return Provenance(passage_id=take_id(piece, "passage_id", where))
    if piece.get("wikipedia_id") is None:
        return Provenance()
    return Provenance(
        page_id=take_id(piece, "wikipedia_id", where),
        first_paragraph=_paragraph(piece, "start_paragraph_id", where),
        last_paragraph=_paragraph(piece, "end_paragraph_id", where),
    )


def _paragraph(piece: Record, name: str, where: str) -> int:
    return -1 if piece.get(name) is None else take(piece, name, int, where)
