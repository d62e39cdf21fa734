import keras
import pytest

from glimmer_keras import serving
from glimmer_keras.cli.main import main
from glimmer_keras.models import Glimmer
from glimmer_keras.serving import other_backend


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
    in_process = keras.backend.backend() == "tensorflow"
    assert asked == {
        "model": "PRESET" if in_process else "preset",
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
        (["--version", "7"], "must be a new version"),
        (["--memory", "nowhere"], "`path` must be a complete store"),
    ],
)
def test_errors_come_before_the_model(asked, tmp_path, capsys, arguments, said):
    (tmp_path / "7").mkdir()
    assert main(["export", "preset", str(tmp_path), *arguments]) == 1
    assert said in capsys.readouterr().err
    assert asked == {}
