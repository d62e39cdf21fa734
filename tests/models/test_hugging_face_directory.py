import json

import huggingface_hub
import numpy as np
import pytest

import glimmer_keras as gk
from glimmer_keras.models.hugging_face_directory import is_hugging_face, local_directory


def test_an_address_is_downloaded(t5, write_t5, monkeypatch):
    path, asked = write_t5(t5), []

    def download(name, file):
        asked.append((name, file))
        return str(path / file)

    def snapshot(name, allow_patterns):
        asked.append((name, allow_patterns))
        return str(path)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    loaded = gk.Glimmer.from_t5("hf://some/t5", "fid").backbone
    np.testing.assert_array_equal(
        np.asarray(loaded.token_embedding.embeddings), np.asarray(t5.token_embedding.embeddings)
    )
    patterns = ["config.json", "glimmer.json", "spiece.model", "tokenizer.json"]
    patterns += ["generation_config.json", "*.safetensors", "*.safetensors.index.json"]
    patterns += ["checksums.json"]
    assert asked == [("some/t5", "config.json"), ("some/t5", patterns)]


def test_presets_of_keras_hub_are_not_of_this_form(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"class_name": "T5Backbone", "config": {}}))
    assert not is_hugging_face(str(tmp_path))
    assert not is_hugging_face(str(tmp_path / "nowhere"))
    assert not is_hugging_face("t5_1.1_base")


def test_what_cannot_be_had(monkeypatch):
    def unreachable(*args, **kwargs):
        raise huggingface_hub.errors.LocalEntryNotFoundError("no connection")

    with pytest.raises(ValueError, match="Must be `hf://org/name`. Received: 'hf://a/b/c'"):
        is_hugging_face("hf://a/b/c")
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", unreachable)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", unreachable)
    for call in (is_hugging_face, local_directory):
        with pytest.raises(OSError, match="hf://some/t5 cannot be had .*: no connection"):
            call("hf://some/t5")
