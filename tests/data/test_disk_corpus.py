import hashlib
import json
import tracemalloc

import numpy as np
import pytest

from glimmer_keras.data import (
    Corpus,
    DiskCorpus,
    Example,
    Passage,
    PassageFile,
    Provenance,
    TokenSpec,
    disk_corpus,
    read_corpus,
    tokenize_corpus,
)
from tests import change_manifest

PASSAGES = [
    Passage("a", "", "first"),
    Passage("7-0", "Seven", "zwölf Boxkämpfer", "7", 0, 2),
    Passage("7-1", "Seven", "jagen Viktor\nquer", "7", 2, 4),
    Passage("8-0", "Eight", "über", "8", 0, 3),
    Passage("7-2", "Seven", "den großen Sylter", "7", 5, 9),
    Passage('quo"te', "Q", "Deich"),
]
PIECES = [
    Provenance(passage_id="7-1"),
    Provenance(passage_id='quo"te'),
    Provenance(passage_id="7"),
    Provenance(page_id="7"),
    Provenance(page_id="7", first_paragraph=2),
    Provenance(page_id="7", first_paragraph=3, last_paragraph=6),
    Provenance(page_id="7", first_paragraph=10, last_paragraph=12),
    Provenance(page_id="8", first_paragraph=3),
    Provenance(page_id="9"),
    Provenance(),
]


@pytest.fixture
def disk(tmp_path):
    return DiskCorpus.write(tmp_path / "corpus", iter(PASSAGES))


def assert_same(disk, corpus):
    assert len(disk) == len(corpus)
    assert [*disk] == [*corpus]
    assert [disk[row] for row in range(len(disk))] == [*corpus]
    assert disk[-1] == corpus[-1]
    assert disk[1:4:2] == corpus[1:4:2]
    assert disk[np.int32(2)] == corpus[2]
    assert disk.fingerprint == corpus.fingerprint
    assert [disk.row(passage.id) for passage in corpus] == [*range(len(corpus))]
    for piece in PIECES:
        assert disk.rows_of(piece) == corpus.rows_of(piece)


def test_it_is_the_corpus(disk, tmp_path):
    corpus = Corpus(PASSAGES)
    assert_same(disk, corpus)
    assert_same(read_corpus(tmp_path / "corpus"), corpus)
    assert disk.rows_of(PIECES[5]) == (2, 4)
    example = Example("1", "t", "q", ("a",), ((PIECES[0], PIECES[7]), (PIECES[8],)))
    assert disk.evidence_rows(example) == corpus.evidence_rows(example) == (frozenset({2, 3}),)
    assert repr(disk) == "DiskCorpus(6 passages, first: 'a' '')"
    text = (tmp_path / "corpus" / "passages.jsonl").read_bytes()
    assert hashlib.sha256(text).hexdigest() == corpus.fingerprint
    with pytest.raises(IndexError):
        disk[6]
    with pytest.raises(ValueError, match="`passage_id` must be the id .*passage_id='b'"):
        disk.row("b")


def test_hashes_may_be_the_same(monkeypatch, tmp_path):
    monkeypatch.setattr(disk_corpus, "_hash", lambda text: len(text) % 2)
    assert_same(DiskCorpus.write(tmp_path / "c", PASSAGES), Corpus(PASSAGES))
    with pytest.raises(ValueError, match=r"distinct ids\. Received: id='7-1' at rows 2 and 6"):
        DiskCorpus.write(tmp_path / "d", [*PASSAGES, PASSAGES[2]])


def test_a_knowledge_source_goes_through_one_passage_at_a_time(tmp_path):
    pages = [
        {"wikipedia_id": str(n), "wikipedia_title": f"T{n}", "text": [f"T{n}", "One. " * 40 * n]}
        for n in range(1, 4)
    ]
    source = tmp_path / "ks.jsonl"
    source.write_text("".join(json.dumps(page) + "\n" for page in pages))
    file = PassageFile(source, "knowledge_source", max_words=30)
    assert_same(DiskCorpus.write(tmp_path / "c", file), Corpus(file))


def test_texts_are_not_held(tmp_path):
    passages = (Passage(f"p{n}", "", f"{n} " + "x" * 5000) for n in range(2000))
    tracemalloc.start()
    disk = DiskCorpus.write(tmp_path / "c", passages)
    assert disk[disk.row("p1234")].text.startswith("1234 x")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2_000_000  # of ten of text


def test_tokens_are_those_of_the_corpus(disk, tmp_path):
    spec = TokenSpec(lambda texts: [[ord(c) % 200 + 2 for c in t] for t in texts], "x", 300)
    tokens = tokenize_corpus(disk, spec, 12, tmp_path / "tokens")
    expected = tokenize_corpus(Corpus(PASSAGES), spec, 12)
    np.testing.assert_array_equal(tokens.token_ids, expected.token_ids)
    assert tokens.fingerprint == expected.fingerprint


def test_nothing_is_left_of_what_failed(tmp_path):
    def broken():
        yield PASSAGES[0]
        raise ValueError("broken line")

    with pytest.raises(ValueError, match="broken line"):
        DiskCorpus.write(tmp_path / "c", broken())
    with pytest.raises(ValueError, match="`passages` must hold at least one .*Received: 0"):
        DiskCorpus.write(tmp_path / "c", [])
    with pytest.raises(ValueError, match="distinct ids. Received: id='a' at rows 0 and 2"):
        DiskCorpus.write(tmp_path / "c", [*PASSAGES[:2], PASSAGES[0]])
    assert [*tmp_path.iterdir()] == []


def test_what_is_there_is_not_written_over(disk, tmp_path):
    with pytest.raises(FileExistsError, match="`path` must be new. Received: '"):
        DiskCorpus.write(tmp_path / "corpus", PASSAGES)


def test_what_is_no_corpus_is_not_opened(disk, tmp_path):
    with pytest.raises(FileNotFoundError, match="with a manifest.json. Received: path='"):
        DiskCorpus(tmp_path)
    folder = tmp_path / "corpus"
    with (folder / "passages.jsonl").open("ab") as file:
        file.write(b"[]\n")
    with pytest.raises(ValueError, match="must hold 6 passages. Received: files of other lengths"):
        DiskCorpus(folder)
    change_manifest(folder / "manifest.json", version=2)
    with pytest.raises(ValueError, match="`format_version` must be 1. Received: 2"):
        read_corpus(folder)
