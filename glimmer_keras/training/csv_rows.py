import csv
import io
import os
from pathlib import Path
from typing import Any

from glimmer_keras.utils.files import write_file


def read_rows(path: str | Path) -> list[dict[str, float]]:
    """Read the rows of a file of `CsvRows`; empty cells are left out. No rows without a file."""
    if not Path(path).exists():
        return []
    with open(path, encoding="utf-8", newline="") as file:
        return [
            {name: float(value) for name, value in row.items() if value}
            for row in csv.DictReader(file)
        ]


class CsvRows:
    """A CSV file of steps that grows at its end, and whose columns may grow too.

    Args:
        path: The file. What is there of steps after `last_step`, or was cut off when a process
            was killed, is taken away.
        last_step: The last step whose rows stay.
    """

    def __init__(self, path: str | Path, last_step: int) -> None:
        self.path = Path(path)
        text = self.path.read_text(encoding="utf-8") if self.path.exists() else ""
        whole = text[: text.rfind("\n") + 1]
        reader = csv.DictReader(io.StringIO(whole))
        self.columns = list(reader.fieldnames or ["step"])
        if "step" not in self.columns:
            raise ValueError(
                f"`path` must be a new file, or one with a column `step`. Received: {self.path}"
            )
        self._write([row for row in reader if int(row["step"]) <= last_step])

    def append(self, row: dict[str, Any]) -> None:
        """Add a row; what it does not have is left empty."""
        new = [name for name in row if name not in self.columns]
        if new:
            with self.path.open(encoding="utf-8", newline="") as file:
                rows = list(csv.DictReader(file))
            self.columns += new
            self._write([*rows, row])
            return
        with self.path.open("a", encoding="utf-8", newline="") as file:
            csv.DictWriter(file, self.columns, lineterminator="\n").writerow(row)
            file.flush()
            os.fsync(file.fileno())

    def _write(self, rows: list[dict[str, Any]]) -> None:
        """Write the file anew, whole or not at all."""
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, self.columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_file(self.path, text.getvalue())
