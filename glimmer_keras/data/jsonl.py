import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from glimmer_keras.data.text_lines import UNREADABLE, open_file, text_lines

T = TypeVar("T")
Record = dict[str, Any]


class Line(NamedTuple):
    """A record of a file.

    Args:
        record: The JSON object, or the fields of a row by name.
        where: Place in the file, for messages.
        number: Number of the line or the record, from 1.
        offset: Where the line begins, in bytes before compression.
    """

    record: Record
    where: str
    number: int
    offset: int


def read_lines(path: str | Path, number: int = 1, offset: int = 0) -> Iterator[Line]:
    """Yield the records of a JSON lines file in UTF-8, one at a time; blank lines are passed.

    Args:
        path: The file.
        number: Number of the line to begin with.
        offset: Where that line begins in the file, in bytes before compression.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: Naming file and line, if a line is not a JSON object or cannot be read.
    """
    for line in text_lines(path, number, offset):
        if line.text.strip():
            record = _parse(line.text, line.where)
            yield Line(record, line.where, line.number, line.offset)


def read_records(path: str | Path) -> Iterator[tuple[str, Record]]:
    """Yield `("file:line", record)` for each record of a JSON lines file, as `read_lines` does.

    Raises:
        ValueError: Also if the file holds no record.
    """
    is_empty = True
    for line in read_lines(path):
        is_empty = False
        yield line.where, line.record
    if is_empty:
        raise ValueError(f"{path}: must hold at least one record. Received: 0 records")


def read_json(path: str | Path) -> Any:
    """Read a file that is one JSON value.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it cannot be read, or is not JSON.
    """
    with open_file(path) as file:
        try:
            text = file.read().decode("utf-8-sig")
            content = json.loads(text)
        except UNREADABLE as error:
            raise ValueError(f"{path}: cannot be read: {error}") from error
        except json.JSONDecodeError as error:
            raise ValueError(f"{path}:{error.lineno}: not valid JSON: {error.msg}") from error
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{path}: not valid JSON: {error}") from error
    check_unicode(text, str(path))
    return content


def read_list(path: str | Path) -> Iterator[tuple[str, Record]]:
    """Yield `("file: record n", record)` for each object of a file that is one JSON list.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is no list of JSON objects, or the list is empty.
    """
    records = read_json(path)
    if not isinstance(records, list) or not records:
        raise ValueError(
            f"{path}: must hold a list of at least one record. Received: {describe(records)}"
        )
    for number, record in enumerate(records, start=1):
        where = f"{path}: record {number}"
        yield where, _check_object(record, where)


def take(record: Record, name: str, kind: type[T], where: str) -> T:
    """Take field `name` of a record.

    Raises:
        ValueError: If it is not there, or not of type `kind`.
    """
    if name not in record:
        raise ValueError(f"{where}: field `{name}` is missing. Received: {sorted(record)}")
    value = record[name]
    if not isinstance(value, kind):
        raise ValueError(
            f"{where}: field `{name}` must be {kind.__name__}. Received: {describe(value)}"
        )
    return value


def take_id(record: Record, name: str, where: str) -> str:
    """Take field `name` as a string; whole numbers are taken as identifiers too."""
    value = record.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return take(record, name, str, where)


def describe(value: Any) -> str:
    """The beginning of a value, for a message."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _parse(line: str, where: str) -> Record:
    try:
        record = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"{where}: not valid JSON: {error.msg}") from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{where}: not valid JSON: {error}") from error
    check_unicode(line, where)
    return _check_object(record, where)


def check_unicode(text: str, where: str) -> None:
    r"""Raise a `ValueError` for JSON with half of a character, such as `"\ud83d"` alone."""
    if r"\ud" in text or r"\uD" in text:
        try:
            json.dumps(json.loads(text), ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            raise ValueError(f"{where}: must be valid Unicode. Received: {error}") from error


def _check_object(record: Any, where: str) -> Record:
    if not isinstance(record, dict):
        raise ValueError(f"{where}: must be a JSON object. Received: {describe(record)}")
    return record
