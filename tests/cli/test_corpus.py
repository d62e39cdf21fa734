import json

from glimmer_keras.data import DiskCorpus, read_corpus, read_knowledge_source


def test_a_corpus_is_laid_out(glimmer, corpus, tmp_path):
    status, out, _ = glimmer("corpus", corpus(0, 8), tmp_path / "c")
    assert (status, out) == (0, f"{tmp_path / 'c'}: 8 passages\n")
    disk = read_corpus(tmp_path / "c")
    assert isinstance(disk, DiskCorpus)
    assert disk.fingerprint == read_corpus(corpus(0, 8)).fingerprint
    status, _, err = glimmer("corpus", corpus(0, 8), tmp_path / "c")
    assert (status, err.count("\n")) == (1, 1)
    assert "`path` must be new" in err


def test_a_knowledge_source(glimmer, tmp_path):
    page = {"wikipedia_id": 7, "wikipedia_title": "T", "text": ["T", "One two. Three four."]}
    source = tmp_path / "ks.jsonl"
    source.write_text(json.dumps(page) + "\n", encoding="utf-8")
    status, _, _ = glimmer("corpus", source, tmp_path / "c", "--knowledge-source", "--max-words", 2)
    assert status == 0
    assert [*DiskCorpus(tmp_path / "c")] == [*read_knowledge_source(source, 2)]
