import json
import sys

import pytest

from glimmer_keras import pipelines
from glimmer_keras.cli import encode
from glimmer_keras.memory import MemoryStore
from glimmer_keras.pipelines.length_batches import TOKENS_PER_BATCH

pytestmark = pytest.mark.usefixtures("loaded_once")


def test_a_corpus_becomes_a_store(glimmer, preset, corpus, tmp_path):
    path, settings = tmp_path / "store", ("--dtype", "float32", "--shard-size", 3)
    status, out, err = glimmer("encode", preset, corpus(0, 8), path, *settings)
    assert (status, out) == (0, f"{path}: 8 passages\n")
    assert "glimmer: Encoded 8 passages of" in err
    store = MemoryStore.open(path)
    assert (len(store), store.dtype, store.passage_length) == (8, "float32", 16)
    assert store.info()["shard_size"] == 3
    status, out, err = glimmer("encode", preset, corpus(0, 8), path, *settings)
    assert (status, out) == (0, f"{path}: 8 passages\n")
    assert err.endswith("is complete: there is nothing to do\n")
    status, out, err = glimmer("encode", preset, corpus(0, 7), path, *settings)
    assert (status, out) == (1, "")
    assert err.startswith("glimmer: error: `path` must hold no complete store of other passages")


def test_a_knowledge_source_becomes_a_store(glimmer, preset, tmp_path):
    page = {"wikipedia_id": 7, "wikipedia_title": "T", "text": ["T", "One two. Three four."]}
    source = tmp_path / "ks.jsonl"
    source.write_text(json.dumps(page) + "\n", encoding="utf-8")
    options = ("--knowledge-source", "--max-words", 2)
    status, out, _ = glimmer("encode", preset, source, tmp_path / "store", *options)
    assert (status, out) == (0, f"{tmp_path / 'store'}: 2 passages\n")
    (passage,) = MemoryStore.open(tmp_path / "store").passages(["7-1"])
    assert (passage.title, passage.text) == ("T", "Three four.")


@pytest.mark.parametrize(
    ("broken", "line"),
    [
        ({"preset": "no such"}, "no such"),
        ({"corpus": "no-such.jsonl"}, "`path` must be an existing file. Received: path='no-such"),
        ({"options": ["--shard-size", "0"]}, "`shard_size` must be an integer of at least 1"),
        ({"options": ["--tokens-per-batch", "0"]}, "`tokens_per_batch` must be at least 1"),
        ({"options": ["--max-words", "0"]}, "`max_words` must be at least 1"),
        ({"options": ["--runner"]}, "`--runner` must be followed by the name of a Beam runner"),
    ],
)
def test_errors_are_one_line(glimmer, preset, corpus, tmp_path, broken, line):
    arguments = [broken.get("preset", preset), broken.get("corpus", corpus(0, 2))]
    status, out, err = glimmer("encode", *arguments, tmp_path / "s", *broken.get("options", []))
    assert (status, out) == (1, "")
    assert err.startswith("glimmer: error: ")
    assert line in err
    assert err.count("\n") == 1
    assert not (tmp_path / "s").exists()


def test_beam_gets_the_runner_and_its_options(glimmer, corpus, tmp_path, monkeypatch):
    called = []

    def beam_encode_corpus(*arguments):
        called.append(arguments)
        raise ImportError("pip install glimmer_keras[beam]")

    monkeypatch.setattr(pipelines, "beam_encode_corpus", beam_encode_corpus)
    options = ("--runner", "DirectRunner", "--direct_num_workers", "2", "--x=y")
    status, _, err = glimmer("encode", "preset", corpus(0, 2), tmp_path / "s", *options)
    assert (status, err) == (1, "glimmer: error: pip install glimmer_keras[beam]\n")
    preset, file, store, dtype, shard_size, tokens, passed = called[0]
    assert (preset, file.path, store) == ("preset", corpus(0, 2), str(tmp_path / "s"))
    assert (dtype, shard_size, tokens) == ("int8", 1024, 2048)
    assert passed == ["--runner=DirectRunner", "--direct_num_workers", "2", "--x=y"]
    assert "apache_beam" not in sys.modules


def test_help_tells_the_default_of_the_package():
    assert encode.TOKENS_PER_BATCH == TOKENS_PER_BATCH


def test_a_corpus_that_was_laid_out(glimmer, preset, corpus, tmp_path):
    glimmer("corpus", corpus(0, 5), tmp_path / "laid_out")
    for name, passages in (("one", corpus(0, 5)), ("other", tmp_path / "laid_out")):
        assert glimmer("encode", preset, passages, tmp_path / name)[0] == 0
    one, other = (MemoryStore.open(tmp_path / name) for name in ("one", "other"))
    assert one.revision == other.revision
    runner = ("--runner", "DirectRunner")
    status, _, err = glimmer("encode", preset, tmp_path / "laid_out", tmp_path / "x", *runner)
    assert status == 1
    assert "`CORPUS` must be a file with `--runner`" in err
