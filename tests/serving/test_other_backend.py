import os
import signal
import stat
import threading
import time

import pytest

from glimmer_keras.serving import other_backend
from glimmer_keras.serving.other_backend import export_preset


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Puts a shell script in the place of the process that exports."""

    def program(*lines):
        path = tmp_path / "program"
        path.write_text("\n".join(["#!/bin/sh", *lines, ""]))
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setattr(other_backend.sys, "executable", str(path))

    return program


@pytest.mark.parametrize(("line", "status"), [("kill -9 $$", -9), ("exit 3", 3), ("exit 0", 0)])
def test_a_process_that_ends_without_a_word(program, tmp_path, line, status):
    program(line)
    with pytest.raises(ChildProcessError, match=f"failed with status {status}$"):
        export_preset("preset", tmp_path, None, {})


@pytest.mark.parametrize("error", [ValueError, FileExistsError, OSError, ImportError])
def test_errors_are_raised_here(program, tmp_path, error):
    program("echo noise", f'echo \'{{"error": "{error.__name__}", "message": "`a` must"}}\'')
    with pytest.raises(error, match="^`a` must$"):
        export_preset("preset", tmp_path, None, {})


def test_an_interruption_ends_it_and_waits_for_it(program, tmp_path):
    program(f"touch {tmp_path}/started", "cat", "sleep 0.1", f"touch {tmp_path}/cleaned")

    def interrupt():
        while not (tmp_path / "started").exists():
            pass
        time.sleep(0.5)  # for this process to come to where it waits
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        export_preset("preset", tmp_path, None, {})
    assert (tmp_path / "cleaned").exists()
