from collections.abc import Mapping
from pathlib import Path

from glimmer_keras.distribution.hosts import first_host_first, write_on_first_host
from glimmer_keras.models import Glimmer
from glimmer_keras.utils.files import new_folder, recover_folder, remove_left


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

    def write() -> None:
        with new_folder(path, replace=True) as work:
            glimmer.save_to_preset(str(work))
            for name, text in (texts or {}).items():
                (work / name).write_text(text, encoding="utf-8")

    write_on_first_host(glimmer.variables, write)


def recover_preset(path: Path) -> None:
    """Clear away what a process that was killed in `replace_preset` left; all hosts call it."""
    with first_host_first() as first:
        if first:
            recover_folder(path)
            remove_left(path)
