import os
import re
import signal
import subprocess
import sys
import time

import keras
import pytest

from glimmer_keras.serving.other_backend import export_preset
from glimmer_keras.serving.version_directory import version_path

IN_PROCESS = keras.backend.backend() == "tensorflow"
SECONDS = 240


def test_the_next_version_is_one_more_than_the_newest(tmp_path):
    assert version_path(tmp_path) == tmp_path / "1"
    (tmp_path / "9").mkdir()
    (tmp_path / "10").mkdir()
    (tmp_path / "other").mkdir()
    assert version_path(tmp_path) == tmp_path / "11"
    with pytest.raises(FileExistsError, match="`path` must be a new version"):
        version_path(tmp_path / "9")


def test_what_cannot_be_written_to(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    for path in ("file/m", "file/1", "file/deep/m/1"):
        with pytest.raises(NotADirectoryError, match="`path` must be below a directory.*file'"):
            version_path(tmp_path / path)
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path)
    for path in (".", "m", "m/1"):
        with pytest.raises(PermissionError, match=re.escape(f"Received: '{tmp_path}', which")):
            version_path(tmp_path / path)


def eventually(true):
    end = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def names(path):
    return sorted(child.name for child in path.iterdir()) if path.exists() else []


@pytest.fixture(scope="module")
def preset(glimmer, tmp_path_factory):
    path = tmp_path_factory.mktemp("preset")
    glimmer.save_to_preset(path)
    return str(path)


@pytest.fixture
def killed(preset, tmp_path):
    """Ends `glimmer export` with a signal when it is at work; gives its status and what is left."""

    def killed(number):
        command = [sys.executable, "-m", "glimmer_keras.cli.main", "export", preset, tmp_path / "m"]
        before = set(names(tmp_path / "m"))
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
        ) as process:
            eventually(lambda: set(names(tmp_path / "m")) - before or process.poll() is not None)
            process.send_signal(number)
            assert process.stdout.read() == b""
        if not IN_PROCESS:  # the process that exports is another, and notices
            eventually(lambda: not names(tmp_path / "m"))
        return process.returncode, names(tmp_path / "m")

    return killed


def test_killed(killed):
    status, left = killed(signal.SIGKILL)
    assert status == -signal.SIGKILL
    assert len(left) == IN_PROCESS
    assert all(name.startswith(".1-") for name in left)


@pytest.mark.slow
def test_terminated_then_interrupted_then_left_alone(killed, preset, tmp_path):
    status, left = killed(signal.SIGTERM)
    assert status == -signal.SIGTERM
    assert all(name.startswith(".1-") for name in left)
    assert killed(signal.SIGINT) == (130, [])
    export_preset(preset, tmp_path / "m", None, {})
    assert names(tmp_path / "m") == ["1"]
    assert (tmp_path / "m/1/saved_model.pb").is_file()
