import pytest

from glimmer_keras.data import PassageFile
from glimmer_keras.data.formats import formats, reader, register, registry
from glimmer_keras.data.passage import Passage


def test_what_there_is():
    assert formats("corpus") == ("knowledge_source", "passages")
    assert formats("task") == ("fid", "kilt")
    assert formats("results") == ("dpr", "kilt", "trec")
    with pytest.raises(ValueError, match=r"one of \('fid', 'kilt'\)\. Received: format='trec'"):
        reader("task", "trec")


def test_a_registered_format_is_found(tmp_path, monkeypatch):
    monkeypatch.setitem(registry._READERS, "corpus", {})

    @register("corpus", "words")
    def passages(record, where, max_words):
        yield Passage(record["key"], "", record["words"])

    (tmp_path / "x.jsonl").write_text('{"key": "a", "words": "harp"}')
    assert formats("corpus") == ("words",)
    assert [*PassageFile(tmp_path / "x.jsonl", "words")] == [Passage("a", "", "harp")]
