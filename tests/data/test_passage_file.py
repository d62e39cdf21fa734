import gzip
import json

import pytest

from glimmer_keras.data import Passage, PassageFile, read_corpus, read_knowledge_source

RECORDS = [{"id": f"p{i}", "title": "Ülm" * (i % 2), "text": "é" * i} for i in range(7)]
PAGES = [
    {"wikipedia_id": str(i), "wikipedia_title": "T", "text": ["T", "One two.", "Three."][: i + 1]}
    for i in range(4)
]


def write(path, records, ending="\n"):
    lines = "".join(json.dumps(r, ensure_ascii=False) + ending for r in records)
    packed = gzip.compress(lines.encode()) if path.suffix == ".gz" else lines.encode()
    path.write_bytes(packed)
    return path


@pytest.mark.parametrize("name", ["x.jsonl", "x.jsonl.gz"])
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\n\n"])
def test_a_file_is_its_corpus_from_any_place_on(tmp_path, name, ending):
    path = write(tmp_path / name, RECORDS, ending)
    file, corpus = PassageFile(path), list(read_corpus(path))
    assert len(corpus) == 7
    for _ in range(2):  # again, from the beginning
        assert list(file) == corpus
    for number, (place, passage) in enumerate(file.located()):
        assert passage == corpus[number]
        assert file.read(place, 3) == corpus[number : number + 3]


FILES = {
    "corpus.jsonl, JSON lines, format beir": (
        '{"_id": "1", "title": "Ann", "text": "Ann lives.", "metadata": {}}\n'
    ),
    "docs.jsonl, JSON lines, format pyserini": '{"id": 1, "contents": "\\"Ann\\"\\nAnn lives."}\n',
    "psgs_w100.tsv, TSV, format passages": 'id\ttext\ttitle\n1\t"Ann lives."\tAnn\n',
    "table.csv, CSV, format passages": '"title","id","text"\n"Ann",1,"Ann lives."\n',
    "collection.tsv, TSV, format passages": "1\tAnn lives.\tAnn\n",
    "list.json, a JSON list, format passages": (
        '[\n {"id": "1", "title": "Ann", "text": "Ann lives."}\n]'
    ),
}


@pytest.mark.parametrize("told", FILES)
@pytest.mark.parametrize("bom", ["", "\ufeff"])
def test_a_format_is_found_and_told(tmp_path, caplog, told, bom):
    name, what = told.split(", ", 1)
    path = tmp_path / name
    path.write_text(bom + FILES[told], encoding="utf-8")
    with caplog.at_level("INFO", "glimmer_keras"):
        assert [*read_corpus(path)] == [Passage("1", "Ann", "Ann lives.")]
    assert caplog.messages == [f"{path}: {what}"]


def test_pages_are_known_without_being_named(tmp_path):
    path = write(tmp_path / "x.jsonl", PAGES)
    assert [*read_corpus(path, max_words=2)] == [*read_knowledge_source(path, max_words=2)]


def test_a_folder_of_texts(tmp_path):
    (tmp_path / "ann.txt").write_text("Ann lives.")
    assert [*read_corpus(tmp_path)] == [Passage("ann.txt#0", "ann", "Ann lives.")]


def test_a_knowledge_source_from_any_place_on(tmp_path):
    path = write(tmp_path / "x.jsonl", PAGES)
    file = PassageFile(path, "knowledge_source", max_words=2)
    corpus = list(read_knowledge_source(path, max_words=2))
    assert [passage.id for passage in corpus] == ["1-0", "2-0", "2-1", "3-0", "3-1"]
    assert list(file) == corpus
    for number, (place, _) in enumerate(file.located()):
        assert file.read(place, 2) == corpus[number : number + 2]


def test_it_is_read_as_it_is_asked_for(tmp_path):
    path = write(tmp_path / "x.jsonl", RECORDS[:2])
    path.write_bytes(path.read_bytes() + b"broken\n")
    passages = iter(PassageFile(path))
    assert [next(passages).id, next(passages).id] == ["p0", "p1"]
    with pytest.raises(ValueError, match=r"x\.jsonl:3: not valid JSON"):
        next(passages)


def test_errors(tmp_path):
    path = write(tmp_path / "x.jsonl", [{"id": "a", "text": ""}, {"id": "", "text": "x"}])
    with pytest.raises(ValueError, match=r"x\.jsonl:2: field `id` must not be empty"):
        list(PassageFile(path))
    with pytest.raises(ValueError, match=r"must hold at least one passage with text"):
        list(PassageFile(write(tmp_path / "x.jsonl", [])))
    with pytest.raises(ValueError, match=r"must hold at least one passage with text\. Received: 0"):
        list(PassageFile(write(tmp_path / "x.jsonl", PAGES[:1]), "knowledge_source"))
    with pytest.raises(ValueError, match=r"`max_words` must be at least 1\. Received: max_words=0"):
        PassageFile(path, max_words=0)
    with pytest.raises(FileNotFoundError, match=r"`path` must be an existing file"):
        list(PassageFile(tmp_path / "none.jsonl"))
    assert repr(PassageFile("x", "beir")) == "PassageFile('x', 'beir')"
    with pytest.raises(
        ValueError, match=r"`format` must be one of .*'passages'.* Received: .*'xml'"
    ):
        PassageFile(path, "xml")


def test_the_old_name_of_the_format_is_kept():
    with pytest.warns(DeprecationWarning, match="is `format='knowledge_source'` now"):
        assert PassageFile("x", knowledge_source=True).format == "knowledge_source"
