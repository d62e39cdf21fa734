import json
import os
import shutil
from pathlib import Path
from typing import Any

from glimmer_keras.data.sync import sync
from glimmer_keras.models import Glimmer

RECORD = "dev_scores.json"


class BestPreset:
    """A preset that is replaced as a whole, with a record of what it is the best of.

    The next one is written beside it under a hidden name. Whoever kills the process leaves one
    complete preset at least, and `recover` gives it its name where that was between two renames.

    Args:
        path: The folder, of one run only. Made when the first preset is written.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._new = self.path.with_name(f".{self.path.name}.new")
        self._old = self.path.with_name(f".{self.path.name}.old")

    def recover(self) -> None:
        """Clear away what a killed process left."""
        if self._old.exists() and not self.path.exists():
            os.rename(self._new if self._new.exists() else self._old, self.path)
        for left in (self._new, self._old):
            shutil.rmtree(left, ignore_errors=True)

    def record(self) -> dict[str, Any] | None:
        """What was written with the preset, `None` where there is no folder.

        Raises:
            ValueError: If the folder holds something else.
        """
        if not self.path.exists():
            return None
        try:
            return json.loads((self.path / RECORD).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ValueError(
                f"`best` must be a new folder, or one with {RECORD}. Received: {self.path}"
            ) from error

    def replace(self, glimmer: Glimmer, record: dict[str, Any]) -> None:
        """Write the model as it is now, with a record of plain values."""
        self.recover()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        glimmer.save_to_preset(str(self._new))
        text = json.dumps(record, indent=1) + "\n"
        (self._new / RECORD).write_text(text, encoding="utf-8")
        for written in (*self._new.rglob("*"), self._new):
            sync(written)
        if self.path.exists():
            os.rename(self.path, self._old)
        os.rename(self._new, self.path)
        sync(self.path.parent)
        self.recover()
