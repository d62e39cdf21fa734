import keras
import numpy as np
import pytest

import glimmer_keras as gk
from glimmer_keras.memory import MemoryStore
from glimmer_keras.pipelines import append_corpus, encode_corpus
from glimmer_keras.pipelines.passage_encoder import PassageEncoder

BATCH = {"tokens_per_batch": 70, "progress": False}


@pytest.fixture
def store(encoder_model, passages, tmp_path):
    return encode_corpus(encoder_model, passages[:6], tmp_path / "store", shard_size=4, **BATCH)


def test_appended_passages_are_as_if_encoded_with_the_others(
    encoder_model, passages, store, tmp_path
):
    grown = append_corpus(encoder_model, passages[6:], store, **BATCH)
    assert [p.id for p in grown.iter_passages()] == [p.id for p in passages]
    assert len(store) == 6
    ids = [p.id for p in passages]
    whole = encode_corpus(encoder_model, passages, tmp_path / "whole", shard_size=4, **BATCH)
    received, expected = grown.read(ids).to_float32(), whole.read(ids).to_float32()
    np.testing.assert_allclose(received, expected, rtol=0, atol=np.abs(expected).max() / 100)
    assert grown.verify() == []


def test_it_goes_on_where_it_was_killed(
    encoder_model, passages, store, tmp_path, monkeypatch, files
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
        append_corpus(encoder_model, passages[6:], store, **BATCH)
    assert len(MemoryStore.open(store.path)) == 6
    append_corpus(encoder_model, passages[6:], store.path, **BATCH)
    assert len(shards) == 4 + 1
    assert files(tmp_path / "store") == files(tmp_path / "whole")
    # Once more: all of it is there.
    assert len(append_corpus(encoder_model, passages[6:], store, **BATCH)) == 22
    assert len(shards) == 4 + 1


def test_ids_that_are_there_are_refused(encoder_model, passages, store, tmp_path, files):
    before = files(tmp_path / "store")
    changed = gk.data.Passage("p3", "", "another text")
    for corpus in (passages[5:8], passages[8:4:-1], [changed]):
        with pytest.raises(
            ValueError, match=r"`corpus` must have ids that are new to .*id='p[35]'"
        ):
            append_corpus(encoder_model, corpus, store, **BATCH)
    assert files(tmp_path / "store") == before


def test_another_model_is_refused_by_name(encoder_model, passages, store):
    other = gk.Glimmer(encoder_model.backbone, encoder_model.preprocessor)
    other.preprocessor = gk.GlimmerPreprocessor(encoder_model.preprocessor.tokenizer, 16, 20, 6)
    with pytest.raises(ValueError, match=r"made with passage_length='20'\. Received: .*='24'$"):
        append_corpus(other, passages[6:], store, **BATCH)
    weight = encoder_model.backbone.memory_encoder.weights[0]
    before = keras.ops.convert_to_numpy(weight)
    try:
        weight.assign(before + 1)
        with pytest.raises(ValueError, match=r"with memory_encoder='\w{64}'\. Received: mem[^,]*$"):
            append_corpus(encoder_model, passages[6:], store, **BATCH)
    finally:
        weight.assign(before)


def test_there_must_be_a_store(encoder_model, passages, tmp_path):
    with pytest.raises(FileNotFoundError, match="must be a complete store"):
        append_corpus(encoder_model, passages, tmp_path / "none", **BATCH)
