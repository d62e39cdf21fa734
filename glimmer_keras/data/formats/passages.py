from collections.abc import Iterator

from glimmer_keras.data.formats.registry import register
from glimmer_keras.data.jsonl import Record, take, take_id
from glimmer_keras.data.passage import Passage


@register("corpus", "passages")
def passage_of(record: Record, where: str, max_words: int) -> Iterator[Passage]:
    """Read a passage from `{"id", "title", "text"}`; the title may be left out or null."""
    title = take(record, "title", str, where) if record.get("title") is not None else ""
    passage_id = take_id(record, "id", where)
    if not passage_id:
        raise ValueError(f"{where}: field `id` must not be empty. Received: id=''")
    yield Passage(passage_id, title, take(record, "text", str, where))
