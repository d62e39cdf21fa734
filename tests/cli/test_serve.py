import sys

import pytest

from glimmer_keras.cli.main import main

GIVEN = {
    "page": False,
    "max_batch": 64,
    "max_message_bytes": 128 * 2**20,
    "max_requests": 16,
}


@pytest.fixture
def served(monkeypatch):
    """What would be served."""
    pytest.importorskip("uvicorn")
    pytest.importorskip("tensorflow_serving")
    from glimmer_keras.serving.server import serve

    calls = []
    monkeypatch.setattr(serve, "serve", lambda *args, **options: calls.append((args, options)))
    return calls


@pytest.mark.parametrize(
    ("ports", "port", "warnings"),
    [([], 8501, 0), (["--port", "0"], 0, 0), (["--port", "1", "--rest-port", "0"], 0, 1)],
)
def test_arguments(served, capsys, ports, port, warnings):
    assert main(["serve", "models/m", "--page", "--name", "n", "--max-batch", "3", *ports]) == 0
    [((directory, *words), options)] = served
    assert str(directory) == "models/m"
    assert words == ["n", "127.0.0.1", port]
    assert options == GIVEN | {"page": True, "max_batch": 3}
    said = capsys.readouterr().err
    assert said.count("DeprecationWarning: `--rest-port` is `--port` now") == warnings


@pytest.mark.parametrize("word", ["65536", "-1", "many"])
def test_ports_that_are_none(capsys, word):
    with pytest.raises(SystemExit):
        main(["serve", "m", f"--port={word}"])
    assert f"must be from 0 to 65535. Received: {word}" in capsys.readouterr().err


def test_errors_are_one_line(tmp_path, monkeypatch, capsys):
    pytest.importorskip("uvicorn")
    pytest.importorskip("tensorflow_serving")
    assert main(["serve", str(tmp_path)]) == 1
    assert "error: `directory` must hold a version, <number>/saved_model" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    assert main(["serve", str(tmp_path)]) == 1
    assert "`pip install glimmer_keras[serving]` brings it\n" in capsys.readouterr().err
