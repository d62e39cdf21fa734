"""Questions that bring no passages, each a record by itself."""

import ast
from collections.abc import Iterator
from typing import Any

from glimmer_keras.data.example import Example
from glimmer_keras.data.formats.registry import Source, register
from glimmer_keras.data.jsonl import Record, describe, take, take_id

ANSWERS = ("answers", "answer", "golden_answers", "possible_answers")


@register("task", "questions", "question")
def examples(record: Record, source: Source) -> Iterator[Example]:
    """Read `{"question", "answer"?, "id"?}`, as NQ-open, FlashRAG, PopQA and tables have it.

    Answers are a string or a list of strings, in `answers`, `answer`, `golden_answers` or
    `possible_answers`; a string that is a list in brackets is taken for that list.
    """
    names = [name for name in ANSWERS if record.get(name) is not None]
    answers = answers_of(record[names[0]], names[0], source.where) if names else []
    question = question_of(record, "question", source.where)
    yield Example(id_of(record, source), source.task, question, tuple(answers))


@register("task", "beir", "_id", "text")
def beir(record: Record, source: Source) -> Iterator[Example]:
    """Read a query of BEIR, `{"_id", "text"}`; it has no answer."""
    question = question_of(record, "text", source.where)
    yield Example(take_id(record, "_id", source.where), source.task, question)


@register("task", "two_columns", "first", "second")
def two_columns(record: Record, source: Source) -> Iterator[Example]:
    """Read a row of a table without a header.

    It is a question and a list of answers in brackets, as DPR has it, or an id and a question, as
    MS MARCO's `queries.tsv`.
    """
    if record["second"].lstrip().startswith("["):
        row = {"question": record["first"], "answer": record["second"]}
    else:
        row = {"id": record["first"], "question": record["second"]}
    yield from examples(row, source)


@register("task", "lines", "line")
def line(record: Record, source: Source) -> Iterator[Example]:
    """Read a line of text, a question without an answer."""
    yield Example(id_of({}, source), source.task, record["line"])


def id_of(record: Record, source: Source) -> str:
    """The `id` of a record, or one by its number."""
    if record.get("id") in (None, ""):
        return f"{source.task}-{source.number}"
    return take_id(record, "id", source.where)


def question_of(record: Record, name: str, where: str) -> str:
    """The question in a field, which must not be blank."""
    question = take(record, name, str, where)
    if not question.strip():
        raise ValueError(f"{where}: field `{name}` must not be blank. Received: {question!r}")
    return question


def answers_of(value: Any, name: str, where: str) -> list[str]:
    """Answers that are not blank, of a string, a list, or a list in a string; `None` is none."""
    if isinstance(value, str):
        value = _listed(value)
    value = [] if value is None else value
    if not isinstance(value, list) or not all(isinstance(answer, str) for answer in value):
        raise ValueError(
            f"{where}: field `{name}` must be a string or a list of strings. "
            f"Received: {describe(value)}"
        )
    return [answer for answer in value if answer.strip()]


def _listed(text: str) -> Any:
    """A list that is written in a string, as DPR's and PopQA's tables do, or the string as one."""
    if text.lstrip().startswith("[") and text.rstrip().endswith("]"):
        try:
            found = ast.literal_eval(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            return [text]
        if isinstance(found, list):
            return found
    return [text]
