"""Rows of KILT's gold and prediction files, as its evaluator takes them, and checked."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple


class Row(NamedTuple):
    """A record of a file.

    Args:
        where: Place of the record, for messages.
        record: The JSON object.
    """

    where: str
    record: Mapping[str, Any]


def align(gold: Sequence[Row], predicted: Sequence[Row], any_order: bool) -> list[Row]:
    """Put the predictions in the order of the gold rows, one for each.

    Raises:
        ValueError: If an id is missing, unknown or there twice, or predictions are in another
            order and `any_order` is false.
    """
    gold_rows, predicted_rows = _by_id(gold), _by_id(predicted)
    missing = [name for name in gold_rows if name not in predicted_rows]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise ValueError(
            f"{gold_rows[missing[0]].where}: every gold row must have a prediction. "
            f"Received: none with id={missing[0]!r}{more}"
        )
    for name, row in predicted_rows.items():
        if name not in gold_rows:
            raise ValueError(
                f"{row.where}: field `id` must be that of a gold row. Received: id={name!r}"
            )
    for name, (other, row) in zip(gold_rows, predicted_rows.items(), strict=True):
        if name != other and not any_order:
            raise ValueError(
                f"{row.where}: predictions must be in the order of the gold rows, id={name!r} "
                f"here, or `any_order` be set. Received: id={other!r}"
            )
    return [predicted_rows[name] for name in gold_rows]


def outputs(row: Row) -> list[Mapping[str, Any]]:
    """List the alternatives of a row.

    Raises:
        ValueError: If `output` is not a list of objects.
    """
    return _objects(row.where, row.record, "output")


def the_output(row: Row, retrieval_only: bool = False) -> Mapping[str, Any]:
    """Take the one output of a prediction that has an answer, or for passages alone a provenance.

    Raises:
        ValueError: If there is none or more than one.
    """
    alternatives, name = outputs(row), "provenance" if retrieval_only else "answer"
    having = [output for output in alternatives if name in output]
    # For passages alone, KILT passes over outputs that have only an answer.
    if len(having) != 1 or (not retrieval_only and len(alternatives) > 1):
        raise ValueError(
            f"{row.where}: field `output` must hold exactly one output, with `{name}`. "
            f"Received: {len(alternatives)} outputs, {len(having)} with `{name}`"
        )
    return having[0]


def predicted_answer(row: Row, output: Mapping[str, Any]) -> str:
    """Take the answer of an output, without blanks at the ends.

    A number or null becomes text as in KILT.

    Raises:
        ValueError: If it is a list or an object.
    """
    answer = output["answer"]
    if isinstance(answer, (list, dict)):
        raise ValueError(f"{row.where}: field `answer` must be one string. Received: {answer!r}")
    return str(answer).strip()


def gold_answers(row: Row) -> list[str]:
    """List the gold answers of a row that are not blank; there may be none.

    Raises:
        ValueError: If one is not a string.
    """
    answers = [output["answer"] for output in outputs(row) if output.get("answer")]
    for answer in answers:
        if not isinstance(answer, str):
            raise ValueError(f"{row.where}: field `answer` must be a string. Received: {answer!r}")
    return [answer for answer in answers if answer.strip()]


def provenance(row: Row, output: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """List the pieces of an output, none where it has none.

    Raises:
        ValueError: If they are not a list of objects.
    """
    return _objects(row.where, output, "provenance") if "provenance" in output else []


def whole_ids(pieces: Iterable[Mapping[str, Any]], rank_keys: Sequence[str]) -> list[str]:
    """List the ids of the pieces that have all of `rank_keys`."""
    return [_id(piece, rank_keys) for piece in pieces if all(key in piece for key in rank_keys)]


def evidence_set(pieces: Iterable[Mapping[str, Any]], rank_keys: Sequence[str]) -> set[str]:
    """Collect the ids of all pieces, as KILT ranks them.

    Those of `rank_keys` that a piece lacks are left out.
    """
    return {_id(piece, [key for key in rank_keys if key in piece]) for piece in pieces}


def _id(piece: Mapping[str, Any], keys: Sequence[str]) -> str:
    return "+".join(str(piece[key]).strip() for key in keys)


def _by_id(rows: Sequence[Row]) -> dict[str, Row]:
    by_id: dict[str, Row] = {}
    for row in rows:
        value = row.record.get("id")
        if not isinstance(value, (str, int, float)):
            raise ValueError(
                f"{row.where}: field `id` must be a string or a number. Received: "
                + (f"id={value!r}" if "id" in row.record else str(sorted(row.record)))
            )
        name = str(value).strip()
        if name in by_id:
            raise ValueError(
                f"{row.where}: field `id` must be unique. "
                f"Received: id={name!r}, as at {by_id[name].where}"
            )
        by_id[name] = row
    return by_id


def _objects(where: str, record: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    value = record.get(name)
    if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
        text = repr(value)
        raise ValueError(
            f"{where}: field `{name}` must be a list of objects. Received: "
            + ((text if len(text) <= 60 else f"{text[:57]}...") if name in record else "none")
        )
    return value
