import re

import pytest

from glimmer_keras.data import PassageFile
from glimmer_keras.data.formats import find_format, formats, reader, register, registry
from glimmer_keras.data.passage import Passage


def test_what_there_is():
    assert formats("corpus") == ("beir", "knowledge_source", "passages", "pyserini")
    assert formats("task") == (
        *("beir", "fid", "kilt", "kilt_ids", "lines", "questions", "squad", "squad_rows"),
        *("triviaqa", "two_columns"),
    )
    assert formats("results") == ("dpr", "kilt", "pyserini", "trec")
    with pytest.raises(ValueError, match=r"one of \('beir', 'fid', .*\)\. Received: format='trec'"):
        reader("task", "trec")


def test_a_registered_format_is_found(tmp_path, monkeypatch):
    monkeypatch.setitem(registry._FORMATS, "corpus", {})

    @register("corpus", "words")
    def passages(record, where, max_words):
        yield Passage(record["key"], "", record["words"])

    (tmp_path / "x.jsonl").write_text('{"key": "a", "words": "harp"}')
    assert formats("corpus") == ("words",)
    assert [*PassageFile(tmp_path / "x.jsonl", "words")] == [Passage("a", "", "harp")]


@pytest.mark.parametrize(
    ("record", "name"),
    [
        ({"id": 1, "text": "x", "title": "t"}, "passages"),
        ({"_id": "1", "text": "x", "metadata": {}}, "beir"),
        ({"id": "1", "contents": "x"}, "pyserini"),
        ({"_id": "1", "wikipedia_id": "1", "wikipedia_title": "t", "text": []}, "knowledge_source"),
    ],
)
def test_a_format_is_found_by_its_fields(record, name):
    assert find_format("corpus", record, "x:1").name == name


def test_the_nearest_format_is_told():
    message = (
        "x.jsonl:1: must be of a known format, beir, knowledge_source, passages, pyserini; for the "
        "nearest, 'pyserini', field `id` is missing. Received: ['contents', 'docid', 'url']"
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        find_format("corpus", {"docid": 1, "contents": "x", "url": ""}, "x.jsonl:1")
