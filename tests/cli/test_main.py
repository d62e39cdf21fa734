import logging
import resource
import subprocess
import sys

import pytest

import glimmer_keras
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


def child(*arguments):
    """Run the command in a process of its own."""
    command = [sys.executable, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def cpu_seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_help_is_quick_and_imports_nothing_heavy():
    started = cpu_seconds()
    process = child("-X", "importtime", "-m", "glimmer_keras.cli.main", "--help")
    assert cpu_seconds() - started < 1.0
    assert (process.returncode, process.stdout[:14]) == (0, "usage: glimmer")
    imported = {line.rpartition("|")[2].strip() for line in process.stderr.splitlines()}
    assert "glimmer_keras" in imported
    assert not {"keras", "tensorflow", "jax", "numpy", "rich"} & imported


def test_a_command_says_nothing_but_its_own(tmp_path):
    """In a process that imports TensorFlow, whose first lines are not the user's business."""
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_text('{"id": "1", "text": "Torvik grew from a camp."}\n', encoding="utf-8")
    process = child("-m", "glimmer_keras.cli.main", "encode", "no/such", str(corpus), "store")
    assert (process.returncode, process.stdout) == (1, "")
    assert process.stderr.startswith("glimmer: error: ")
    assert process.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("argv", "orig_argv", "expected"),
    [
        (["/usr/bin/glimmer", "encode"], ["python", "/usr/bin/glimmer", "encode"], True),
        (["-m", "train"], ["python", "-m", "glimmer_keras.cli.main", "train"], True),
        (["-m"], ["python", "-Im", "glimmer_keras.cli.main"], True),
        (["-m", "tests"], ["python", "-m", "pytest", "tests"], False),
        (["recipes/glimmer.py"], ["python", "recipes/glimmer.py"], False),
        ([], ["python"], False),
    ],
)
def test_the_command_is_told_from_other_programs(monkeypatch, argv, orig_argv, expected):
    monkeypatch.setattr(sys, "argv", argv)
    monkeypatch.setattr(sys, "orig_argv", orig_argv)
    assert glimmer_keras._is_command() == expected


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
