import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from glimmer_keras.data.sync import sync
from glimmer_keras.models import Glimmer
from glimmer_keras.models.hosts import first_host_first, write_on_first_host


def replace_preset(glimmer: Glimmer, path: Path, texts: Mapping[str, str] | None = None) -> None:
    """Write a model as it is now, whole or not at all, in place of the preset before.

    The new one is written beside it under a hidden name. Whoever kills the process leaves one
    complete preset at least, and `recover_preset` gives it its name where that was between two
    renames. Of several hosts all call this and the first writes, to a disk that they share.

    Args:
        glimmer: The model.
        path: The folder; its parents are made.
        texts: More files of the folder, by name.
    """
    recover_preset(path)
    new, old = _others(path)

    def write() -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        glimmer.save_to_preset(str(new))
        for name, text in (texts or {}).items():
            (new / name).write_text(text, encoding="utf-8")
        for written in (*new.rglob("*"), new):
            sync(written)
        if path.exists():
            os.rename(path, old)
        os.rename(new, path)
        sync(path.parent)
        shutil.rmtree(old, ignore_errors=True)

    write_on_first_host(glimmer.variables, write)


def recover_preset(path: Path) -> None:
    """Clear away what a process that was killed in `replace_preset` left; all hosts call it."""
    new, old = _others(path)
    with first_host_first() as first:
        if not first:
            return
        if old.exists() and not path.exists():
            os.rename(new if new.exists() else old, path)
        for left in (new, old):
            shutil.rmtree(left, ignore_errors=True)


def _others(path: Path) -> tuple[Path, Path]:
    return path.with_name(f".{path.name}.new"), path.with_name(f".{path.name}.old")
