"""Exports by a process that runs Keras on TensorFlow, whatever this one runs it on."""

import _thread
import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from glimmer_keras.memory import MemoryStore
from glimmer_keras.models import Glimmer
from glimmer_keras.serving.saved_model import plan_export, write_versions

PROGRAM = f"""
from glimmer_keras.utils.quiet import quiet
with quiet():
    from {__name__} import main
main()
"""
ERRORS = {error.__name__: error for error in (ValueError, FileExistsError, OSError, ImportError)}


def export_from_other_backend(
    glimmer: Glimmer, path: Path, store: MemoryStore | None, options: dict[str, Any]
) -> Path:
    """Do as `export` does, by way of a preset."""
    with tempfile.TemporaryDirectory(prefix="glimmer-export-") as preset:
        glimmer.save_to_preset(preset)
        return export_preset(preset, path, None if store is None else store.path, options)


def export_preset(
    preset: str, path: str | os.PathLike[str], store: str | None, options: dict[str, Any]
) -> Path:
    """Do as `export` does with a preset, in a process of its own.

    Args:
        preset: Path or name of a preset.
        path: As in `export`.
        store: Path or URL of a memory store, or `None`.
        options: Keyword arguments of `export`.

    Raises:
        ValueError, OSError, ImportError: As `export` does.
        ChildProcessError: If the process failed otherwise; it has said why on stderr.
    """
    task = {"preset": preset, "path": os.fspath(path), "store": store, "options": options}
    environment = os.environ | {"KERAS_BACKEND": "tensorflow"}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    environment.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    command = [sys.executable, "-c", PROGRAM, json.dumps(task)]
    # In a session of its own, where no terminal interrupts it: it gives up and cleans up when its
    # stdin ends, which happens here, and however else this process ends.
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    ) as child:
        try:
            output = child.stdout.read() if child.stdout else ""
        finally:
            if child.stdin:
                child.stdin.close()
            child.wait()
    lines = output.splitlines()
    if child.returncode or not lines:
        raise ChildProcessError(f"The process that exports failed with status {child.returncode}")
    outcome = json.loads(lines[-1])
    if "error" in outcome:
        raise ERRORS[outcome["error"]](outcome["message"])
    return Path(outcome["path"])


def main() -> None:
    """Do what the argument says while stdin is open; the last line of stdout is the outcome."""
    logging.basicConfig(format="%(name)s: %(message)s")
    logging.getLogger("glimmer_keras").setLevel(logging.INFO)
    task = json.loads(sys.argv[1])
    # A process that is started in the background ignores interruptions, and so do its children.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=_interrupt_at_end, args=[sys.stdin.fileno()], daemon=True).start()
    try:
        store = task["store"] and MemoryStore.open(task["store"])
        glimmer = Glimmer.from_preset(task["preset"])
        plan = plan_export(glimmer, task["path"], store, **task["options"])
        outcome = {"path": str(write_versions(plan))}
    except (ValueError, OSError, ImportError) as error:
        name = next(name for name, kind in ERRORS.items() if isinstance(error, kind))
        outcome = {"error": name, "message": str(error)}
    except KeyboardInterrupt:
        sys.exit(130)
    print(json.dumps(outcome))


def _interrupt_at_end(descriptor: int) -> None:
    while os.read(descriptor, 1):
        pass
    while True:  # where an interruption meets a finaliser, it is lost
        _thread.interrupt_main()
        time.sleep(1)
