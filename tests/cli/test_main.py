import logging

import pytest

from glimmer_keras.cli import encode
from glimmer_keras.cli.main import main
from glimmer_keras.memory import CorruptStoreError


@pytest.fixture
def run(monkeypatch, capsys):
    """Run `glimmer encode` with another body; gives the status and what was said on stderr."""

    def replaced(body):
        monkeypatch.setattr(encode, "run", lambda args: body())
        status = main(["encode", "preset", "corpus", "store"])
        return status, capsys.readouterr().err

    return replaced


def fail(error):
    raise error


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("`k` must be\n  1"), "`k` must be 1"),
        (FileNotFoundError("no such file"), "no such file"),
        (CorruptStoreError("x is damaged"), "x is damaged"),
        (ImportError("pip install glimmer_keras[beam]"), "pip install glimmer_keras[beam]"),
    ],
)
def test_errors_are_one_line(run, error, line):
    assert run(lambda: fail(error)) == (1, f"glimmer: error: {line}\n")


def test_bugs_are_not_hidden(run):
    with pytest.raises(ZeroDivisionError):
        run(lambda: 1 / 0)


def test_interruption_says_how_to_go_on(run):
    status, said = run(lambda: fail(KeyboardInterrupt()))
    assert status == 130
    assert said == "glimmer: interrupted; the same command takes the work up again\n"


def test_log_goes_to_stderr_while_a_command_runs(run):
    logger = logging.getLogger("glimmer_keras")
    assert run(lambda: logger.info("half %s", "way") or 0) == (0, "glimmer: half way\n")
    assert not logger.handlers


def test_help_and_usage(capsys):
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0
    said = capsys.readouterr().out
    assert "encode" in said
    assert "store" in said
    with pytest.raises(SystemExit) as end:
        main(["bake"])
    assert end.value.code == 2
