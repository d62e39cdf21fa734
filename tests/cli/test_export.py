import os

import keras
import numpy as np
import pytest

from glimmer_keras import serving
from glimmer_keras.cli.main import main
from glimmer_keras.memory import MemoryStore, StoredPassage
from glimmer_keras.models import Glimmer
from glimmer_keras.serving import other_backend

IN_PROCESS = keras.backend.backend() == "tensorflow"


@pytest.fixture
def asked(monkeypatch):
    """What is exported, instead of exporting it."""
    asked = {}

    def export(model, path, store, **options):
        asked.update(model=model, path=path, store=store, **options)
        return path

    monkeypatch.setattr(Glimmer, "from_preset", str.upper)
    monkeypatch.setattr(serving, "export", export)
    monkeypatch.setattr(other_backend, "export_preset", lambda *args: export(*args[:3], **args[3]))
    return asked


def test_arguments(asked, tmp_path, capsys):
    command = ["export", "preset", str(tmp_path), "--version", "3", "--beam", "4", "--text"]
    assert main([*command, "--passages", "20", "--memory-dtype", "bfloat16", "--force"]) == 0
    assert capsys.readouterr().out == f"{tmp_path / '3'}\n"
    assert asked == {
        "model": "PRESET" if IN_PROCESS else "preset",
        "path": tmp_path / "3",
        "store": None,
        "beam_size": 4,
        "num_passages": 20,
        "memory_dtype": "bfloat16",
        "text": True,
        "force": True,
    }


def test_the_next_version(asked, tmp_path):
    (tmp_path / "7").mkdir()
    assert main(["export", "preset", str(tmp_path)]) == 0
    assert asked["path"] == tmp_path / "8"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["m", "--version", "7"], "`path` must be a new version. Received: path='{path}/m/7'"),
        (
            ["m", "--version", "8", "--text"],
            "must be a new version. Received: path='{path}/m-text/8'",
        ),
        (["m", "--memory", "nowhere"], "`path` must be a complete store"),
        (["file"], "`path` must be a directory. Received: path='{path}/file'"),
        (["file/m"], "`path` must be below a directory. Received: a file, '{path}/file'"),
        (["shut/m"], "`path` must be writable. Received: '{path}/shut', which is not"),
        (["gs://bucket/m"], "`path` must be a local directory. Received: path='gs://bucket/m'"),
    ],
)
def test_errors_come_before_the_model(asked, tmp_path, monkeypatch, capsys, arguments, said):
    for folder in ("m/7", "m-text/8", "shut"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(os, "access", lambda path, mode: path.name != "shut")
    directory, *options = arguments
    directory = directory if "://" in directory else str(tmp_path / directory)
    before = sorted(tmp_path.rglob("*"))
    assert main(["export", "preset", directory, *options]) == 1
    error = capsys.readouterr().err
    assert error.startswith("glimmer: error: ")
    assert said.format(path=tmp_path) in error
    assert error.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before
    assert asked == {}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--beam"], "argument --beam: expected one argument"),
        (["--beam", "0"], "argument --beam: must be an integer of at least 1. Received: 0"),
        (["--passages", "many"], "argument --passages: must be an integer of at least 1."),
        (["--version", "-1"], "argument --version: must be an integer of at least 1. Received: -1"),
    ],
)
def test_numbers_that_are_none(tmp_path, capsys, arguments, said):
    with pytest.raises(SystemExit) as end:
        main(["export", "preset", str(tmp_path), *arguments])
    assert end.value.code == 2
    assert said in capsys.readouterr().err.splitlines()[-1]


@pytest.fixture
def another_memory(tmp_path):
    path = tmp_path / "store"
    writer = MemoryStore.create(
        path, hidden_dim=64, passage_length=16, fingerprint={"tokenizer": "0"}
    )
    writer.write_shard(0, [np.ones((2, 64), "float32")], [2], [StoredPassage("p", "", "a")])
    writer.complete(1)
    return path


# Another backend asks another process, which takes its time.
@pytest.mark.parametrize("wrong", ["memory", "preprocessor"] if IN_PROCESS else ["memory"])
def test_models_that_are_refused(preset, another_memory, tmp_path, capsys, wrong):
    if wrong == "memory":
        options, said = ["--memory", str(another_memory)], "the memory must be made with "
    else:
        model = Glimmer.from_preset(preset)
        preset, options = str(tmp_path / "bare"), []
        Glimmer(model.backbone).save_to_preset(preset)
        said = "`glimmer` must have a preprocessor. Received: preprocessor=None"
    assert main(["export", preset, str(tmp_path / "m"), *options]) == 1
    error = capsys.readouterr().err
    assert error.startswith("glimmer: error: ")
    assert said in error
    assert error.count("\n") == 1
    assert not (tmp_path / "m").exists()
