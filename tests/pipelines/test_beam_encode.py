import json
import sys

import pytest

from glimmer_keras.data import PassageFile
from glimmer_keras.memory import MemoryStore
from glimmer_keras.pipelines import beam_encode, beam_encode_corpus, encode_corpus

SETTINGS = {"shard_size": 4, "tokens_per_batch": 70}
WORKERS = ["--direct_num_workers=2", "--direct_running_mode=multi_processing"]


@pytest.fixture(scope="module")
def preset(encoder_model, tmp_path_factory):
    path = tmp_path_factory.mktemp("preset")
    encoder_model.save_to_preset(path)
    return str(path)


@pytest.fixture(scope="module")
def corpus(passages, tmp_path_factory):
    path = tmp_path_factory.mktemp("corpus") / "corpus.jsonl"
    rows = [{"id": p.id, "title": p.title, "text": p.text} for p in passages]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return PassageFile(path)


@pytest.fixture
def beam():
    return pytest.importorskip("apache_beam")


@pytest.fixture(params=[[], pytest.param(WORKERS, marks=pytest.mark.slow)], ids=["one", "two"])
def options(request):
    return ["--runner=DirectRunner", *request.param]


def test_it_is_the_store_that_one_process_makes(
    beam, encoder_model, preset, corpus, tmp_path, files, options
):
    store = encode_corpus(encoder_model, corpus, tmp_path / "a", **SETTINGS, progress=False)
    assert len(store) == 22
    received = beam_encode_corpus(preset, corpus, tmp_path / "b", **SETTINGS, options=options)
    assert len(received) == 22
    assert files(tmp_path / "b") == files(tmp_path / "a")
    # It is complete: no pipeline is run, which would fail.
    again = ["--runner=NoSuchRunner"]
    assert len(beam_encode_corpus(preset, corpus, tmp_path / "b", **SETTINGS, options=again)) == 22


def test_a_worker_that_fails_is_told_and_what_it_wrote_is_kept(
    beam, encoder_model, preset, corpus, tmp_path, files, monkeypatch
):
    encode, written = beam_encode.encode_shards, []

    def failing(encoder, shards, writer):
        if len(written) == 3:
            raise OSError("no space left on device")
        written.append(shards[0][0])
        return encode(encoder, shards, writer)

    with monkeypatch.context() as patch:
        patch.setattr(beam_encode, "encode_shards", failing)
        with pytest.raises(ChildProcessError, match=r"Beam failed: .*no space left on device"):
            beam_encode_corpus(preset, corpus, tmp_path / "b", **SETTINGS)
    with pytest.raises(FileNotFoundError):
        MemoryStore.open(tmp_path / "b")
    before = files(tmp_path / "b")
    beam_encode_corpus(preset, corpus, tmp_path / "b", **SETTINGS)
    encode_corpus(encoder_model, corpus, tmp_path / "a", **SETTINGS, progress=False)
    after = files(tmp_path / "b")
    assert after == files(tmp_path / "a")
    for number in written:
        assert before[f"memory/c/{number}/0/0"] == after[f"memory/c/{number}/0/0"]


def test_without_beam_the_extra_is_named(preset, corpus, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    with pytest.raises(ImportError, match=r"pip install glimmer_keras\[beam\]"):
        beam_encode_corpus(preset, corpus, tmp_path / "b")
    assert not (tmp_path / "b").exists()
