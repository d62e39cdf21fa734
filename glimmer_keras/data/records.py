"""Records of a file of any shape: what holds them, not yet what they mean."""

import csv
import itertools
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from glimmer_keras.data.jsonl import Line, Record, describe, read_json, read_lines, read_list
from glimmer_keras.data.text_lines import TextLine, open_file, text_lines

Shape = Literal["lines", "list", "object", "tabs", "commas", "text", "parquet", "arrow"]
SHAPES: dict[Shape, str] = {
    "lines": "JSON lines",
    "list": "a JSON list",
    "object": "a JSON object",
    "tabs": "TSV",
    "commas": "CSV",
    "text": "text",
    "parquet": "Parquet",
    "arrow": "Arrow",
}
DELIMITERS = {"tabs": "\t", "commas": ","}
STATE = "state.json"
MAGIC: dict[bytes, Shape] = {b"PAR1": "parquet", b"ARROW1": "arrow", b"\xff\xff\xff\xff": "arrow"}
ROWS_AT_ONCE = 1024
MOST_OF_ONE_OBJECT = 2**30  # bytes; what is larger is taken for lines, one of them broken


class Columns(NamedTuple):
    """What the columns of a table may be called.

    Args:
        known: Names, in small letters, of which a first line that is a header has one at least.
        unnamed: Names of the columns of a table without a header, by their number.
    """

    known: frozenset[str]
    unnamed: Mapping[int, Sequence[str]]


NO_COLUMNS = Columns(frozenset(), {})


def is_saved_dataset(path: str | Path) -> bool:
    """Whether a folder is one that `datasets` saves a data set to."""
    return (Path(path) / STATE).is_file()


def shape_of(path: str | Path, columns: Columns = NO_COLUMNS) -> Shape:
    """Tell what a file holds its records in, from its beginning.

    A table with commas between its columns must have a header.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it cannot be read.
    """
    if is_saved_dataset(path):
        return "arrow"
    with open_file(path) as file:
        start = file.read(max(map(len, MAGIC)))
    for magic, shape in MAGIC.items():
        if start.startswith(magic):
            return shape
    first = next((line.text for line in text_lines(path) if line.text.strip()), "")
    if not first:
        return "lines"
    if first.lstrip().startswith("["):
        return "list"
    if first.lstrip().startswith("{"):
        return "object" if _is_one_object(path, first) else "lines"
    if "\t" in first:
        return "tabs"
    return "commas" if columns.known.intersection(_names(first, ",")) else "text"


def read_any(
    path: str | Path,
    columns: Columns = NO_COLUMNS,
    number: int = 1,
    offset: int = 0,
    shape: Shape | None = None,
) -> Iterator[Line]:
    """Yield the records of a file one at a time.

    Args:
        path: JSON lines, one JSON list or object, a table with tabs or commas between its columns,
            lines of text, which are records of one field, `line`, Parquet or Arrow; compressed or
            not.
        columns: Of tables; by default there is none.
        number, offset: `number` and `offset` of the `Line` to begin with.
        shape: What `shape_of` tells, if that is known.

    Raises:
        FileNotFoundError: If there is no such file.
        ImportError: If it is Parquet or Arrow, and the extra `parquet` is not installed.
        ValueError: Naming the place, if a record is broken.
    """
    shape = shape or shape_of(path, columns)
    if shape == "lines":
        yield from read_lines(path, number, offset)
    elif shape in DELIMITERS:
        yield from _rows(path, DELIMITERS[shape], columns, number, offset)
    else:
        readers: dict[str, Callable[[str | Path], Iterator[tuple[str, Record]]]] = {
            "list": read_list,
            "object": _object,
            "text": _text,
            "parquet": _parquet,
            "arrow": _arrow,
        }
        for place, (where, record) in enumerate(readers[shape](path), start=1):
            if place >= number:
                yield Line(record, where, place, 0)


def _is_one_object(path: str | Path, first: str) -> bool:
    """Whether the first line is only the beginning of a JSON object."""
    try:
        json.loads(first)
    except (ValueError, RecursionError):
        if Path(path).stat().st_size > MOST_OF_ONE_OBJECT:
            return False
        try:
            read_json(path)
        except ValueError:
            return False
        return True
    return False


def _names(line: str, delimiter: str) -> list[str]:
    try:
        row = next(csv.reader([line], delimiter=delimiter))
    except csv.Error:
        return []
    return [name.strip().lower() for name in row]


def _rows(
    path: str | Path, delimiter: str, columns: Columns, number: int, offset: int
) -> Iterator[Line]:
    """Read a table; one with a header may have quoted fields, one with tabs and none has not."""
    first = next(line for line in text_lines(path) if line.text.strip())
    names = _names(first.text, delimiter)
    has_header = bool(columns.known.intersection(names))
    if has_header and len(set(names)) < len(names):
        raise ValueError(f"{first.where}: columns must have distinct names. Received: {names}")
    if not has_header:
        if (count := len(first.text.split(delimiter))) not in columns.unnamed:
            raise ValueError(
                f"{first.where}: must name its columns, one of them of "
                f"{', '.join(sorted(columns.known))}. Received: {count}, {describe(first.text)}"
            )
        names = list(columns.unnamed[count])
    csv.field_size_limit(sys.maxsize)  # an article may be longer than csv expects
    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if has_header else csv.QUOTE_NONE
    taken: list[TextLine] = []

    def fed() -> Iterator[str]:
        for line in text_lines(path, number, offset):
            taken.append(line)
            yield line.text

    rows = csv.reader(fed(), delimiter=delimiter, quoting=quoting, strict=True)
    while True:
        taken.clear()
        try:
            row = next(rows, None)
        except csv.Error as error:
            where = taken[0].where if taken else f"{path}"
            raise ValueError(f"{where}: not a valid row: {error}") from error
        if row is None:
            return
        line = taken[0]
        if not row or (has_header and line.number == first.number):
            continue
        if len(row) != len(names):
            raise ValueError(
                f"{line.where}: must have {len(names)} columns, {', '.join(names)}. "
                f"Received: {len(row)}"
            )
        yield Line(dict(zip(names, row, strict=True)), line.where, line.number, line.offset)


def _object(path: str | Path) -> Iterator[tuple[str, Record]]:
    yield str(path), read_json(path)


def _text(path: str | Path) -> Iterator[tuple[str, Record]]:
    for line in text_lines(path):
        if text := line.text.strip():
            yield line.where, {"line": text}


def _parquet(path: str | Path) -> Iterator[tuple[str, Record]]:
    _check_pyarrow(path)
    import pyarrow
    import pyarrow.parquet

    try:
        batches = pyarrow.parquet.ParquetFile(path).iter_batches(ROWS_AT_ONCE)
        yield from _numbered(path, batches)
    except pyarrow.ArrowException as error:
        raise ValueError(f"{path}: cannot be read: {error}") from error


def _arrow(path: str | Path) -> Iterator[tuple[str, Record]]:
    """Read a file of Arrow, a stream as `datasets` keeps it, or the folder of those it saves."""
    _check_pyarrow(path)
    import pyarrow

    try:
        yield from _numbered(path, itertools.chain.from_iterable(map(_batches, _files(path))))
    except pyarrow.ArrowException as error:
        raise ValueError(f"{path}: cannot be read: {error}") from error


def _files(path: str | Path) -> list[Path]:
    """The files of Arrow at a path, in their order."""
    if not is_saved_dataset(path):
        return [Path(path)]
    state = read_json(Path(path) / STATE)
    files = state.get("_data_files") if isinstance(state, dict) else None
    names = [str(f.get("filename")) for f in files or () if isinstance(f, dict)]
    if not names or any(Path(name).name != name for name in names):
        raise ValueError(f"{path}/{STATE}: must name files beside it. Received: {describe(files)}")
    if state.get("_indices_files") or state.get("_format_columns"):
        raise ValueError(f"{path}: must be saved after `flatten_indices()`, with all columns")
    return [Path(path, name) for name in names]


def _batches(path: Path) -> Iterator[Any]:
    import pyarrow

    with pyarrow.memory_map(str(path)) as source:
        try:
            opened = pyarrow.ipc.open_file(source)
            yield from map(opened.get_batch, range(opened.num_record_batches))
        except pyarrow.ArrowInvalid:
            source.seek(0)
            yield from pyarrow.ipc.open_stream(source)


def _numbered(path: str | Path, batches: Iterator[Any]) -> Iterator[tuple[str, Record]]:
    number = 0
    for batch in batches:
        for record in batch.to_pylist():
            number += 1
            yield f"{path}: record {number}", record


def _check_pyarrow(path: str | Path) -> None:
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f"{path}: reading Parquet and Arrow needs an extra: pip install glimmer_keras[parquet]"
        ) from error
