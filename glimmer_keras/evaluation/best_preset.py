import json
from pathlib import Path
from typing import Any

from glimmer_keras.models import Glimmer
from glimmer_keras.pipelines import recover_preset, replace_preset

RECORD = "dev_scores.json"


class BestPreset:
    """A preset that is replaced as a whole, with a record of what it is the best of.

    Args:
        path: The folder, of one run only. Made when the first preset is written.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def record(self) -> dict[str, Any] | None:
        """What was written with the preset, `None` where there is no folder.

        What a process that was killed while it wrote has left is cleared away first.

        Raises:
            ValueError: If the folder holds something else.
        """
        recover_preset(self.path)
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
        replace_preset(glimmer, self.path, {RECORD: json.dumps(record, indent=1) + "\n"})
