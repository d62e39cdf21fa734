import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from glimmer_keras.data.corpus import Corpus
from glimmer_keras.data.example import Example
from glimmer_keras.data.jsonl import Record, read_list, read_records, take, take_id
from glimmer_keras.data.passage import Passage
from glimmer_keras.data.provenance import Provenance
from glimmer_keras.data.ranking import Ranking, Unknown, numbers_by, ranked_rows
from glimmer_keras.data.task import Task


def read_fid(path: str | Path, name: str) -> tuple[Task, Corpus]:
    """Read questions that bring their retrieved passages, in the form of FiD and DPR.

    Each record is `{"question", "answers": [...], "target"?, "ctxs": [{"id"?, "title"?, "text",
    "has_answer"?}, ...]}`, the best passage first. `target` comes first among the answers. Each
    passage marked `has_answer` (or `hasanswer`) is an alternative evidence set of its own, so
    recall is DPR's top-k accuracy.

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
    examples, retrieved = [], []
    for number, (where, record) in enumerate(_records(path)):
        contexts = take(record, "ctxs", list, where)
        found = [_passage(context, passages, name, where) for context in contexts]
        for passage in found:
            passages[passage.id] = passage
        retrieved.append([passage.id for passage in found])
        examples.append(_example(record, f"{name}-{number}", name, contexts, found, where))
    if not passages:
        raise ValueError(f"{path}: must hold at least one passage in `ctxs`. Received: 0 passages")
    corpus = Corpus(passages.values())
    rows = np.full((len(examples), max(map(len, retrieved))), -1, dtype="int32")
    for row, ids in zip(rows, retrieved, strict=True):
        row[: len(ids)] = [corpus.row(passage_id) for passage_id in ids]
    return Task(name, examples, rows), corpus


def read_dpr_results(
    path: str | Path,
    task: Task,
    corpus: Corpus,
    num_passages: int,
    *,
    unknown: Unknown = "error",
) -> np.ndarray:
    """Read DPR's retrieval results for a task and a corpus that are there already.

    Each record is `{"question", "ctxs": [{"id", ...}, ...]}`, the best passage first; a record
    belongs to the examples whose question it has, blanks at the ends aside, and a question that
    comes again is passed over. A passage that comes again counts where it was first, questions
    that the task lacks are passed over, and those of the task that the file lacks are told in the
    log.

    Args:
        path: A `.json` list or `.jsonl` lines, gzipped or not.
        task: Whose questions they are.
        corpus: Whose `Passage.id` are the ids.
        num_passages: Passages of each example; what is further down is left out.
        unknown: What to do with a passage that the corpus lacks: `"error"`, or `"skip"`.

    Returns:
        int32 `(examples, num_passages)` for `Task.with_retrieved`, -1 where a passage is missing.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: Naming file and record, if a record is broken or a passage is unknown; or if no
            question has a result.
    """
    numbers = numbers_by(example.question.strip() for example in task)
    return ranked_rows(str(path), _rankings(path), numbers, corpus, num_passages, unknown)


def _rankings(path: str | Path) -> Iterator[Ranking]:
    seen: set[str] = set()
    for where, record in _records(path):
        question = take(record, "question", str, where).strip()
        if question not in seen:
            seen.add(question)
            yield Ranking(question, where, _pieces(record, where))


def _records(path: str | Path) -> Iterator[tuple[str, Record]]:
    suffixes = [suffix for suffix in Path(path).suffixes if suffix != ".gz"]
    return read_list(path) if suffixes[-1:] == [".json"] else read_records(path)


def _pieces(record: Record, where: str) -> Iterator[tuple[str, Provenance]]:
    for context in take(record, "ctxs", list, where):
        if not isinstance(context, dict):
            raise ValueError(f"{where}: field `ctxs` must be a list of objects")
        yield where, Provenance(passage_id=take_id(context, "id", where))


def _passage(context: Record, passages: dict[str, Passage], name: str, where: str) -> Passage:
    if not isinstance(context, dict):
        raise ValueError(f"{where}: field `ctxs` must be a list of objects")
    title = take(context, "title", str, where) if context.get("title") is not None else ""
    text = take(context, "text", str, where)
    if context.get("id") is None:
        digest = hashlib.sha256(f"{title}\n{text}".encode()).hexdigest()
        return Passage(f"{name}-{digest[:16]}", title, text)
    passage = Passage(take_id(context, "id", where), title, text)
    if passages.get(passage.id, passage) != passage:
        raise ValueError(
            f"{where}: field `id` of `ctxs` must name one text. Received: id={passage.id!r} "
            "with another text before"
        )
    return passage


def _example(
    record: Record,
    default_id: str,
    name: str,
    contexts: list[Record],
    passages: list[Passage],
    where: str,
) -> Example:
    answers = take(record, "answers", list, where)
    if record.get("target") is not None:
        answers = [take(record, "target", str, where), *answers]
    if not any(isinstance(answer, str) and answer.strip() for answer in answers):
        raise ValueError(f"{where}: field `answers` must hold an answer. Received: {answers!r}")
    if not all(isinstance(answer, str) for answer in answers):
        raise ValueError(f"{where}: field `answers` must be a list of strings")
    question = take(record, "question", str, where)
    if not question.strip():
        raise ValueError(f"{where}: field `question` must not be blank")
    gold = [
        (Provenance(passage_id=passage.id),)
        for context, passage in zip(contexts, passages, strict=True)
        if context.get("has_answer") or context.get("hasanswer")
    ]
    return Example(
        id=take_id(record, "id", where) if record.get("id") is not None else default_id,
        task=name,
        question=question,
        answers=tuple(answers),
        evidence=tuple(dict.fromkeys(gold)),
        contexts=tuple(passages),
    )
