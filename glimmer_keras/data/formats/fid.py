import hashlib
from collections.abc import Iterator
from pathlib import Path

from glimmer_keras.data.example import Example
from glimmer_keras.data.formats.questions import answers_of, id_of, question_of
from glimmer_keras.data.formats.registry import Ranking, Source, register
from glimmer_keras.data.jsonl import Record, read_json, take, take_id
from glimmer_keras.data.passage import Passage
from glimmer_keras.data.provenance import Provenance
from glimmer_keras.data.records import read_any


@register("task", "fid", "question", "ctxs")
def examples(record: Record, source: Source) -> Iterator[Example]:
    """Read a question that brings its retrieved passages, in the form of FiD, Atlas and DPR.

    It is `{"question", "answers"?: [...], "target"?, "ctxs": [{"id"?, "title"?, "text",
    "has_answer"?}, ...]}`, the best passage first. `target` comes first among the answers. Each
    passage marked `has_answer` (or `hasanswer`) is an alternative evidence set of its own, so
    recall is DPR's top-k accuracy.
    """
    where = source.where
    contexts = _contexts(record, where)
    passages = [passage_of(context, source) for context in contexts]
    answers = answers_of(record.get("answers"), "answers", where)
    if record.get("target") is not None:
        answers = [take(record, "target", str, where), *answers]
    gold = [
        (Provenance(passage_id=passage.id),)
        for context, passage in zip(contexts, passages, strict=True)
        if context.get("has_answer") or context.get("hasanswer")
    ]
    yield Example(
        id=id_of(record, source),
        task=source.task,
        question=question_of(record, "question", where),
        answers=tuple(answers),
        evidence=tuple(dict.fromkeys(gold)),
        contexts=tuple(passages),
    )


@register("results", "dpr")
def rankings(path: str | Path) -> Iterator[Ranking]:
    """Read DPR's retrieval results.

    Each record is `{"question", "ctxs": [{"id", ...}, ...]}`, the best passage first; a record
    belongs to the examples whose question it has, blanks at the ends aside, and a question that
    comes again is passed over.

    Args:
        path: A JSON list or lines, compressed or not.
    """
    seen: set[str] = set()
    for record, where, *_ in read_any(path):
        question = take(record, "question", str, where).strip()
        if question not in seen:
            seen.add(question)
            yield Ranking(question, where, _ranked_pieces(record, where), by="question")


@register("results", "pyserini")
def pyserini_rankings(path: str | Path) -> Iterator[Ranking]:
    """Read Pyserini's retrieval results in JSON, found by their questions.

    The file is `{question number: {"question", "contexts": [{"docid", ...}, ...]}}`, the best
    passage first.
    """
    records = read_json(path)
    if not isinstance(records, dict) or not all(isinstance(r, dict) for r in records.values()):
        raise ValueError(f"{path}: must hold an object of objects, one for each question")
    seen: set[str] = set()
    for number, record in records.items():
        where = f"{path}: {number}"
        question = take(record, "question", str, where).strip()
        contexts = take(record, "contexts", list, where)
        if question not in seen:
            seen.add(question)
            pieces = [(where, Provenance(passage_id=take_id(c, "docid", where))) for c in contexts]
            yield Ranking(question, where, pieces, by="question")


def passage_of(context: Record, source: Source) -> Passage:
    """Read a passage that comes with a question; one without an id has that of its text."""
    where = source.where
    title = take(context, "title", str, where) if context.get("title") is not None else ""
    text = take(context, "text", str, where)
    if context.get("id") is None:
        digest = hashlib.sha256(f"{title}\n{text}".encode()).hexdigest()
        return Passage(f"{source.task}-{digest[:16]}", title, text)
    return Passage(take_id(context, "id", where), title, text)


def _contexts(record: Record, where: str) -> list[Record]:
    contexts = take(record, "ctxs", list, where)
    if not all(isinstance(context, dict) for context in contexts):
        raise ValueError(f"{where}: field `ctxs` must be a list of objects")
    return contexts


def _ranked_pieces(record: Record, where: str) -> Iterator[tuple[str, Provenance]]:
    for context in _contexts(record, where):
        yield where, Provenance(passage_id=take_id(context, "id", where))
