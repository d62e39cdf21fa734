import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO, TypeVar

T = TypeVar("T")
Record = dict[str, Any]

UNREADABLE = (OSError, EOFError, UnicodeDecodeError, zlib.error)


def open_text(path: str | Path) -> TextIO:
    """Open a UTF-8 text file, plain or (when its name ends in `.gz`) gzipped.

    Raises:
        FileNotFoundError: If there is no such file.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"`path` must be an existing file. Received: path={str(path)!r}")
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8")
    return path.open(encoding="utf-8")


def read_records(path: str | Path) -> Iterator[tuple[str, Record]]:
    """Yield `("file:line", record)` for each line of a JSON lines file; blank lines are passed.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: Naming file and line, if a line is not a JSON object or cannot be read, and
            if the file holds no record.
    """
    number, found = 0, False
    with open_text(path) as lines:
        while True:
            number += 1
            where = f"{path}:{number}"
            try:
                line = lines.readline()
            except UNREADABLE as error:
                raise ValueError(f"{where}: cannot be read: {error}") from error
            if not line:
                break
            if line.strip():
                found = True
                yield where, _parse(line, where)
    if not found:
        raise ValueError(f"{path}: must hold at least one record. Received: 0 records")


def read_list(path: str | Path) -> Iterator[tuple[str, Record]]:
    """Yield `("file: record n", record)` for each object of a file that is one JSON list.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is no list of JSON objects, or the list is empty.
    """
    with open_text(path) as file:
        try:
            records = json.load(file)
        except UNREADABLE as error:
            raise ValueError(f"{path}: cannot be read: {error}") from error
        except json.JSONDecodeError as error:
            raise ValueError(f"{path}:{error.lineno}: not valid JSON: {error.msg}") from error
    if not isinstance(records, list) or not records:
        raise ValueError(
            f"{path}: must hold a list of at least one record. Received: {_describe(records)}"
        )
    for number, record in enumerate(records, start=1):
        where = f"{path}: record {number}"
        yield where, _check_object(record, where)


def take(record: Record, name: str, kind: type[T], where: str) -> T:
    """Field `name` of a record, which must be there and be of type `kind`."""
    if name not in record:
        raise ValueError(f"{where}: field `{name}` is missing. Received: {sorted(record)}")
    value = record[name]
    if not isinstance(value, kind):
        raise ValueError(
            f"{where}: field `{name}` must be {kind.__name__}. Received: {_describe(value)}"
        )
    return value


def take_id(record: Record, name: str, where: str) -> str:
    """Field `name` as a string; whole numbers are taken as identifiers too."""
    value = record.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return take(record, name, str, where)


def _parse(line: str, where: str) -> Record:
    try:
        record = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"{where}: not valid JSON: {error.msg}") from error
    return _check_object(record, where)


def _check_object(record: Any, where: str) -> Record:
    if not isinstance(record, dict):
        raise ValueError(f"{where}: must be a JSON object. Received: {_describe(record)}")
    return record


def _describe(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
