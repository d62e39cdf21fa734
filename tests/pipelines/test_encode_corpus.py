import importlib
import json
import logging
import subprocess
import sys
import time
from unittest import mock

import keras
import numpy as np
import pytest

import glimmer_keras as gk
from glimmer_keras.data import Corpus, Passage, PassageFile
from glimmer_keras.memory import MemoryStore, StoreWriter
from glimmer_keras.models import memory_fingerprint
from glimmer_keras.pipelines import append_corpus, encode_corpus
from glimmer_keras.pipelines.passage_encoder import PassageEncoder
from glimmer_keras.utils.location import Location
from tests import dequantized

MODULE = importlib.import_module("glimmer_keras.pipelines.encode_corpus")

SETTINGS = {"shard_size": 4, "tokens_per_batch": 70, "progress": False}
BATCH = {"tokens_per_batch": 70, "progress": False}
SHARDS = 6
ENCODE = PassageEncoder.encode


class Stopped(Exception):
    pass


@pytest.fixture(scope="module")
def whole(encoder_model, passages, tmp_path_factory):
    """A store made without interruption."""
    path = tmp_path_factory.mktemp("whole") / "store"
    encode_corpus(encoder_model, Corpus(passages), path, **SETTINGS)
    return path


@pytest.mark.smoke
def test_a_store_holds_the_passages_and_their_memory(encoder_model, passages, tmp_path, caplog):
    with caplog.at_level(logging.INFO, "glimmer_keras"):
        store = encode_corpus(encoder_model, passages, tmp_path / "s", "float32", **SETTINGS)
    assert store.fingerprint == memory_fingerprint(encoder_model)
    assert [(p.id, p.title, p.text) for p in store.iter_passages()] == [
        (p.id, p.title, p.text) for p in passages
    ]
    tokens = PassageEncoder(encoder_model).tokenize(passages)
    batch = store.read([passage.id for passage in passages])
    assert f"{tokens.truncated} of 22 passages were cut to 24 tokens" in caplog.text
    assert f"Encoded 22 passages of {tokens.lengths.sum()} tokens in" in caplog.text
    np.testing.assert_array_equal(batch.lengths, tokens.lengths)
    expected = encoder_model.backbone.encode_memory(tokens.ids, batch.mask)
    expected = keras.ops.convert_to_numpy(expected) * batch.mask[..., None]
    np.testing.assert_allclose(batch.values, expected, rtol=0, atol=1e-5)


def test_two_at_once_are_refused(encoder_model, passages, whole, tmp_path):
    path, new = tmp_path / "s", [Passage("new", "", "New.")]
    with Location(path).alone(), Location(whole).alone():
        with pytest.raises(FileExistsError, match="held by process"):
            encode_corpus(encoder_model, passages, path, **SETTINGS)
        with pytest.raises(FileExistsError, match="held by process"):
            append_corpus(encoder_model, new, whole, **BATCH)


def test_codebooks_are_learned_of_the_corpus(encoder_model, passages, whole, tmp_path):
    pytest.importorskip("faiss")
    store = encode_corpus(encoder_model, passages, tmp_path / "s", "pq:4", **SETTINGS)
    ids = [passage.id for passage in passages]
    wide = encode_corpus(encoder_model, passages, tmp_path / "w", "float32", **SETTINGS).read(ids)
    codes = store.quantizer.encode(wide.values[wide.mask])
    np.testing.assert_array_equal(store.read(ids).values[wide.mask], store.quantizer.decode(codes))
    off = store.read(ids).values.astype("float32") - wide.values
    assert (off**2).sum() < 0.2 * (wide.values**2).sum()
    again = encode_corpus(encoder_model, passages, tmp_path / "s", "pq:4", **SETTINGS)
    assert again.revision == store.revision


@pytest.mark.parametrize("after", range(0, 40, 7))
def test_what_was_interrupted_goes_on_to_the_same_bytes(
    encoder_model, passages, tmp_path, monkeypatch, whole, files, after
):
    path, batches, shards = tmp_path / "store", [], []
    encode = PassageEncoder.encode

    def counted(self, tokens, after_batch):
        shards.append(len(tokens.ids))

        def interrupted(rows):
            batches.append(rows)
            after_batch(rows)
            if len(batches) == after + 1:
                raise Stopped

        return encode(self, tokens, interrupted)

    monkeypatch.setattr(PassageEncoder, "encode", counted)
    try:
        encode_corpus(encoder_model, passages, path, **SETTINGS)
    except Stopped:
        assert not (path / "manifest.json").exists()
        encode_corpus(encoder_model, passages, path, **SETTINGS)
        assert len(shards) == SHARDS + 1
    assert files(path) == files(whole)


def test_an_error_of_the_disk_ends_the_work_and_loses_none(
    encoder_model, passages, tmp_path, monkeypatch, whole, files
):
    path, write = tmp_path / "store", StoreWriter.write_shard

    def full(self, number, *shard):
        if number == 2:
            raise OSError("no space left on device")
        write(self, number, *shard)

    with monkeypatch.context() as patch:
        patch.setattr(StoreWriter, "write_shard", full)
        with pytest.raises(OSError, match="no space left"):
            encode_corpus(encoder_model, passages, path, **SETTINGS)
    written = files(path)
    encode_corpus(encoder_model, passages, path, **SETTINGS)
    assert files(path) == files(whole)
    assert written["records/c/1/0"] == files(path)["records/c/1/0"]


def test_a_file_is_read_as_it_is_encoded(
    encoder_model, passages, tmp_path, monkeypatch, whole, files
):
    source = tmp_path / "corpus.jsonl"
    rows = [{"id": p.id, "title": p.title, "text": p.text} for p in passages]
    source.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    read, ahead, write = [], [], StoreWriter.write_shard

    class Watched(PassageFile):
        def __iter__(self):
            read.clear()
            for passage in super().__iter__():
                read.append(passage.id)
                yield passage

    def watch(self, number, *shard):
        ahead.append(len(read) - number * self.shard_size)
        write(self, number, *shard)

    monkeypatch.setattr(StoreWriter, "write_shard", watch)
    encode_corpus(encoder_model, Watched(source), tmp_path / "store", **SETTINGS)
    assert files(tmp_path / "store") == files(whole)
    # The shard that is written, the one that is encoded, and the one that is tokenised.
    assert len(ahead) == SHARDS
    assert max(ahead) <= 3 * SETTINGS["shard_size"]


def test_a_complete_store_is_left_as_it_is(encoder_model, passages, whole, files, monkeypatch):
    before = files(whole)
    with monkeypatch.context() as patch:
        patch.setattr(PassageEncoder, "encode", None)
        assert len(encode_corpus(encoder_model, passages, whole, **SETTINGS)) == 22
        for other, dtype in ((passages[:-1], "int8"), (passages, "float32")):
            with pytest.raises(
                FileExistsError, match="`path` must hold no complete store of other"
            ):
                encode_corpus(encoder_model, other, whole, dtype, **SETTINGS)
    assert files(whole) == before


def test_an_unfinished_store_of_other_settings_is_refused(encoder_model, passages, tmp_path):
    MemoryStore.create(tmp_path, hidden_dim=3, passage_length=4)
    with pytest.raises(ValueError, match=r"unfinished store, which must be made with .*hidden_dim"):
        encode_corpus(encoder_model, passages, tmp_path, **SETTINGS)


@pytest.mark.parametrize(
    ("corpus", "error", "message"),
    [
        ([], ValueError, "at least one passage"),
        ([Passage("a", "", "x"), Passage("a", "", "y")], ValueError, "distinct ids"),
        (iter([Passage("a", "", "x")]), TypeError, "anew each time"),
    ],
)
def test_a_bad_corpus_is_refused_before_anything_is_written(
    encoder_model, tmp_path, corpus, error, message
):
    with pytest.raises(error, match=message):
        encode_corpus(encoder_model, corpus, tmp_path / "store", **SETTINGS)
    assert not (tmp_path / "store").exists()


@pytest.fixture
def six(encoder_model, passages, tmp_path):
    return encode_corpus(encoder_model, passages[:6], tmp_path / "store", shard_size=4, **BATCH)


def test_appended_passages_are_as_if_encoded_with_the_others(
    encoder_model, passages, six, tmp_path
):
    grown = append_corpus(encoder_model, passages[6:], six, **BATCH)
    assert [p.id for p in grown.iter_passages()] == [p.id for p in passages]
    assert len(six) == 6
    ids = [p.id for p in passages]
    whole = encode_corpus(encoder_model, passages, tmp_path / "whole", shard_size=4, **BATCH)
    received, expected = (dequantized(store.read(ids)) for store in (grown, whole))
    np.testing.assert_allclose(received, expected, rtol=0, atol=np.abs(expected).max() / 100)
    assert grown.verify() == []


def test_appending_goes_on_where_it_was_killed(
    encoder_model, passages, six, tmp_path, monkeypatch, files
):
    whole = encode_corpus(encoder_model, passages[:6], tmp_path / "whole", shard_size=4, **BATCH)
    append_corpus(encoder_model, passages[6:], whole, **BATCH)
    encode, shards = PassageEncoder.encode, []

    def counted(self, *args):
        shards.append(self)
        if len(shards) == 3:
            raise KeyboardInterrupt
        return encode(self, *args)

    monkeypatch.setattr(PassageEncoder, "encode", counted)
    with pytest.raises(KeyboardInterrupt):
        append_corpus(encoder_model, passages[6:], six, **BATCH)
    assert len(MemoryStore.open(six.path)) == 6
    append_corpus(encoder_model, passages[6:], six.path, **BATCH)
    assert len(shards) == 4 + 1
    assert files(tmp_path / "store") == files(tmp_path / "whole")
    # Once more: all of it is there.
    assert len(append_corpus(encoder_model, passages[6:], six, **BATCH)) == 22
    assert len(shards) == 4 + 1


def test_ids_that_are_there_are_refused(encoder_model, passages, six, tmp_path, files):
    before = files(tmp_path / "store")
    changed = Passage("p3", "", "another text")
    for corpus in (passages[5:8], passages[8:4:-1], [changed]):
        with pytest.raises(
            ValueError, match=r"`corpus` must have ids that are new to .*id='p[35]'"
        ):
            append_corpus(encoder_model, corpus, six, **BATCH)
    assert files(tmp_path / "store") == before


def test_another_model_is_refused_by_name(encoder_model, passages, six):
    other = gk.Glimmer(encoder_model.backbone, encoder_model.preprocessor)
    other.preprocessor = gk.GlimmerPreprocessor(encoder_model.preprocessor.tokenizer, 16, 20, 6)
    with pytest.raises(ValueError, match=r"made with passage_length='20'\. Received: .*='24'$"):
        append_corpus(other, passages[6:], six, **BATCH)
    weight = encoder_model.backbone.memory_encoder.weights[0]
    before = keras.ops.convert_to_numpy(weight)
    try:
        weight.assign(before + 1)
        with pytest.raises(ValueError, match=r"with memory_encoder='\w{64}'\. Received: mem[^,]*$"):
            append_corpus(encoder_model, passages[6:], six, **BATCH)
    finally:
        weight.assign(before)


def test_there_must_be_a_store_to_append_to(encoder_model, passages, tmp_path):
    with pytest.raises(FileNotFoundError, match="must be a complete store"):
        append_corpus(encoder_model, passages, tmp_path / "none", **BATCH)


def corpus_of(*ids):
    return [Passage(i, "", "x") for i in ids]


def test_passages_are_counted():
    assert MODULE.check_passages(corpus_of("a", "b")) == 2
    assert MODULE.check_passages(Corpus(corpus_of("a"))) == 1


def test_duplicates_are_found_wherever_they_are(monkeypatch, rng):
    monkeypatch.setattr(MODULE, "HASHES_AT_ONCE", 16)
    monkeypatch.setattr(MODULE, "PASSAGES_AT_ONCE", 7)
    ids = [f"p{i}" for i in range(100)]
    assert MODULE.check_passages(corpus_of(*ids)) == 100
    for _ in range(20):
        first, second = sorted(rng.choice(100, 2, replace=False).tolist())
        repeated = [*ids[:second], ids[first], *ids[second + 1 :]]
        message = (
            rf"distinct ids\. Received: id='p{first}' in passages {first + 1} and {second + 1}"
        )
        with pytest.raises(ValueError, match=message):
            MODULE.check_passages(corpus_of(*repeated))


@pytest.mark.parametrize(
    ("corpus", "error", "message"),
    [
        ([], ValueError, "`corpus` must hold at least one passage. Received: 0 passages"),
        (iter(corpus_of("a")), TypeError, "anew each time .* Received: list_iterator"),
        ("x.jsonl", TypeError, "anew each time .* Received: str"),
        (["x"], TypeError, "`corpus` must hold `Passage`s. Received: str"),
    ],
)
def test_bad_passages(corpus, error, message):
    with pytest.raises(error, match=message):
        MODULE.check_passages(corpus)


CHILD = """
import sys
import glimmer_keras as gk
preset, corpus, path = sys.argv[1:]
glimmer = gk.Glimmer.from_preset(preset)
corpus = gk.data.PassageFile(corpus)
print("ready", flush=True)
gk.pipelines.encode_corpus(glimmer, corpus, path, shard_size=4, tokens_per_batch=70)
print("done", flush=True)
"""


@pytest.mark.slow
def test_killed_at_random_moments_and_started_again(encoder_model, passages, tmp_path, files, rng):
    source, preset = tmp_path / "corpus.jsonl", tmp_path / "preset"
    rows = [{"id": f"{p.id}-{i}", "text": p.text} for i in range(20) for p in passages]
    source.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    encoder_model.save_to_preset(preset)

    def start(path, first):
        """A child that has begun to encode, or written its first shard."""
        arguments = [sys.executable, "-c", CHILD, str(preset), str(source), str(path)]
        child = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
        assert child.stdout.readline() == "ready\n"
        while first and not (path / "records" / "c" / "0" / "0").exists():
            time.sleep(0.001)
        return child

    seconds = {}
    for first in (False, True):
        child = start(tmp_path / f"whole-{first}", first)
        started = time.monotonic()
        assert child.stdout.readline() == "done\n"
        seconds[first] = time.monotonic() - started
        child.communicate()
    expected, unfinished = files(tmp_path / "whole-True"), 0
    assert files(tmp_path / "whole-False") == expected
    for number in range(20):
        path, first = tmp_path / str(number), number % 4 > 0
        child = start(path, first)
        time.sleep(rng.uniform(0, seconds[first]))
        child.kill()
        child.communicate()
        written = files(path) if path.exists() else {}
        unfinished += 0 < len(written) < len(expected)
        done = sum(name.startswith("records/c/") and name.endswith("/0") for name in written)
        with mock.patch.object(PassageEncoder, "encode", autospec=True) as encode:
            encode.side_effect = ENCODE
            encode_corpus(encoder_model, PassageFile(source), path, **SETTINGS)
        assert encode.call_count == 110 - done
        assert files(path) == expected
    assert unfinished >= 8  # Not all were killed too early, or too late.
