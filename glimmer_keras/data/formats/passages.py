import json
from collections.abc import Iterator

from glimmer_keras.data.formats.registry import register
from glimmer_keras.data.jsonl import Record, describe, take, take_id
from glimmer_keras.data.passage import Passage


@register("corpus", "passages", "id", "text")
def passage_of(record: Record, where: str, max_words: int) -> Iterator[Passage]:
    """Read a passage from `{"id", "title", "text"}`; the title may be left out or null.

    So are the tables of DPR, `psgs_w100.tsv`, and of MS MARCO, `collection.tsv`.
    """
    yield _passage(record, "id", where)


@register("corpus", "beir", "_id", "text")
def beir(record: Record, where: str, max_words: int) -> Iterator[Passage]:
    """Read a passage of BEIR, `{"_id", "title", "text"}`; the title may be left out or null."""
    yield _passage(record, "_id", where)


@register("corpus", "pyserini", "id", "contents")
def pyserini(record: Record, where: str, max_words: int) -> Iterator[Passage]:
    """Read a passage of Pyserini, `{"id", "contents"}`: the first of several lines is the title."""
    title, end, text = take(record, "contents", str, where).partition("\n")
    if not end:
        title, text = "", title
    if len(title) > 1 and title[0] == title[-1] == '"':
        title = title[1:-1]
    yield Passage(
        _id(record, "id", where), title.strip(), text.strip(), fields=_fields(record, where)
    )


def _passage(record: Record, name: str, where: str) -> Passage:
    title, text = _title(record, where), take(record, "text", str, where)
    return Passage(_id(record, name, where), title, text, fields=_fields(record, where))


def _fields(record: Record, where: str) -> tuple[tuple[str, str], ...]:
    """What `fields`, or BEIR's `metadata`, has in strings, numbers, true and false."""
    found: dict[str, str] = {}
    for name in ("metadata", "fields"):
        content = record.get(name)
        if content is None:
            continue
        if not isinstance(content, dict):
            raise ValueError(
                f"{where}: field `{name}` must be an object. Received: {describe(content)}"
            )
        for key, value in content.items():
            if isinstance(value, str):
                found[key] = value
            elif isinstance(value, bool | int | float):
                found[key] = json.dumps(value)
    return tuple(sorted(found.items()))


def _title(record: Record, where: str) -> str:
    return take(record, "title", str, where) if record.get("title") is not None else ""


def _id(record: Record, name: str, where: str) -> str:
    if not (passage_id := take_id(record, name, where)):
        raise ValueError(f"{where}: field `{name}` must not be empty. Received: {name}=''")
    return passage_id
