import json

import numpy as np
import pytest

from glimmer_keras.models import tensor_files
from glimmer_keras.models.tensor_files import TensorFiles, assemble, read_json, write_tensors

TENSORS = {
    "a": np.arange(12, dtype="float32").reshape(3, 4),
    "b": np.arange(5, dtype="float16"),
    "c": np.arange(6, dtype="float32").reshape(2, 3).astype("bfloat16"),
}


def write(path, stem="model"):
    sizes = {name: value.nbytes for name, value in TENSORS.items()}
    write_tensors(path, stem, sizes, TENSORS.__getitem__)


@pytest.mark.parametrize("chunk", [1, 4, 5, 8, 2**22])
@pytest.mark.parametrize("transposed", [False, True])
def test_there_and_back_again(tmp_path, monkeypatch, chunk, transposed):
    monkeypatch.setattr(tensor_files, "CHUNK", chunk)
    write(tmp_path, "some")
    assert [path.name for path in tmp_path.iterdir()] == ["some.safetensors"]
    files = TensorFiles(tmp_path, "some")
    assert files.shapes == {"a": (3, 4), "b": (5,), "c": (2, 3)}
    for name, value in TENSORS.items():
        for dtype in ("float32", "bfloat16"):
            shape = value.T.shape if transposed else value.shape
            found = assemble(shape, dtype, files.parts(name, transposed))
            assert found.dtype == dtype
            np.testing.assert_array_equal(found, value.T if transposed else value)


def test_files_are_no_larger_than_they_may(tmp_path, monkeypatch):
    monkeypatch.setattr(tensor_files, "SHARD", 22)  # 48 bytes, 10, 12
    write(tmp_path)
    index = json.loads((tmp_path / "model.safetensors.index.json").read_text())
    first, second = (f"model-0000{i}-of-00002.safetensors" for i in (1, 2))
    assert index == {
        "metadata": {"total_size": 70},
        "weight_map": {"a": first, "b": second, "c": second},
    }
    files = TensorFiles(tmp_path)
    assert list(files.shapes) == ["a", "b", "c"]
    np.testing.assert_array_equal(assemble((2, 3), "float32", files.parts("c")), TENSORS["c"])


def test_damaged_and_missing_files(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match="has no model.safetensors and no model.safetens"):
        TensorFiles(tmp_path)
    monkeypatch.setattr(tensor_files, "SHARD", 22)
    write(tmp_path)
    second = tmp_path / "model-00002-of-00002.safetensors"
    second.write_bytes(second.read_bytes()[:-1])
    with pytest.raises(ValueError, match=f"{second.name} must be a safetensors file: "):
        TensorFiles(tmp_path)
    second.unlink()
    with pytest.raises(FileNotFoundError, match=f"lacks files of .*: .*{second.name}"):
        TensorFiles(tmp_path)


@pytest.mark.parametrize("places", [{"a": "../model.safetensors"}, {"a": "/etc/x"}, {}, None])
def test_an_index_names_files_beside_it(tmp_path, places):
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": places}))
    with pytest.raises(ValueError, match="must have a `weight_map` to files beside it. Received: "):
        TensorFiles(tmp_path)


def test_what_is_no_json_object(tmp_path):
    path = tmp_path / "config.json"
    for text, message in (("{", "must be JSON: "), ("[]", "must hold a JSON object. .*: list")):
        path.write_text(text)
        with pytest.raises(ValueError, match=message):
            read_json(path)
