from collections.abc import Iterator
from pathlib import Path
from typing import Any

from glimmer_keras.data.example import Example
from glimmer_keras.data.formats.registry import Ranking, Source, register
from glimmer_keras.data.jsonl import Record, read_records, take, take_id
from glimmer_keras.data.provenance import Provenance


@register("task", "kilt", "id", "input")
def examples(record: Record, source: Source) -> Iterator[Example]:
    """Read an example of KILT, `{"id", "input", "output": [{"answer", "provenance": [...]}]}`.

    A provenance is `{"passage_id"}` or `{"wikipedia_id", "start_paragraph_id",
    "end_paragraph_id"}`. Every output with a provenance gives an alternative evidence set, also one
    without an answer; a row may have no output.
    """
    where = source.where
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
            evidence.append(tuple(_piece(piece, where) for piece in pieces))
    yield Example(
        id=take_id(record, "id", where),
        task=source.task,
        question=_question(record, where),
        answers=tuple(answers),
        evidence=tuple(dict.fromkeys(evidence)),
    )


@register("task", "kilt_ids", "id", "output")
def without_questions(record: Record, source: Source) -> Iterator[Example]:
    """Refuse a row of KILT that has no question, as those of TriviaQA come."""
    raise ValueError(
        f"{source.where}: field `input` is missing, for KILT may not hand these questions on. Its "
        "scripts/get_triviaqa_input.py puts them in; read what that writes"
    )


@register("results", "kilt")
def rankings(path: str | Path) -> Iterator[Ranking]:
    """Read the provenance of KILT predictions as retrieval results, JSON lines.

    Each line is `{"id", "output": [{"provenance": [...]}]}` with exactly one output, its pieces
    ranked from the best on: `{"passage_id"}`, or `{"wikipedia_id"}` with or without
    `start_paragraph_id` and `end_paragraph_id`.
    """
    for where, record in read_records(path):
        yield Ranking(take_id(record, "id", where), where, _ranked_pieces(record, where))


def _question(record: Record, where: str) -> str:
    question = take(record, "input", str, where)
    if not question.strip():
        raise ValueError(f"{where}: field `input` must not be blank. Received: input={question!r}")
    return question


def _ranked_pieces(record: Record, where: str) -> Iterator[tuple[str, Provenance]]:
    outputs = take(record, "output", list, where)
    if len(outputs) != 1 or not isinstance(outputs[0], dict):
        raise ValueError(
            f"{where}: field `output` must hold exactly one object. Received: {len(outputs)}"
        )
    for piece in take(outputs[0], "provenance", list, where):
        yield where, _piece(piece, where)


def _piece(piece: Any, where: str) -> Provenance:
    """Read a piece of a `provenance`; an empty one where it names no page."""
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
