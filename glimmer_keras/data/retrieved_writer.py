import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from glimmer_keras.data.corpus import Corpus
from glimmer_keras.data.task import Task
from glimmer_keras.data.task_base import fit_columns
from glimmer_keras.utils.checks import check_integer
from glimmer_keras.utils.files import publish_folder, write_file
from glimmer_keras.utils.manifest import CorruptFileError, read_manifest, write_manifest

VERSION = 1
PROGRESS = "progress.json"
WHAT = "a folder of retrieval results"
DTYPES = {"rows": "int32", "scores": "float32"}


class RetrievedWriter:
    """Keeps the retrieval results of a task as arrays in a folder, written part by part.

    The folder has `rows.npy`, int32 `(examples, passages)` rows of the corpus, the best first, -1
    where a passage is missing; `scores.npy`, float32 of the same shape; and `manifest.json` with
    the fingerprints of task and corpus and the settings. `read_retrieved` reads it. It appears
    when all is written; until then it is `{path}.part`, and an interrupted writer of the same
    task, corpus and settings goes on after the last part, `done`.

    Args:
        path: The folder.
        task: The questions.
        corpus: The corpus that the rows count in.
        num_passages: Passages of each example, at least 1.
        settings: Plain values that the results depend on besides.

    Raises:
        FileExistsError: If `path` holds results of something else.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        task: Task,
        corpus: Corpus,
        num_passages: int,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        check_integer("num_passages", num_passages)
        self.path = Path(path)
        self._work = self.path.with_name(f"{self.path.name}.part")
        self._manifest = {
            "task": task.fingerprint,
            "corpus": corpus.fingerprint,
            "examples": len(task),
            "num_passages": num_passages,
            "settings": json.loads(json.dumps(settings or {})),
        }
        self.complete = self.path.exists()
        if self.complete:
            self._check_same()
        self.done = len(task) if self.complete else self._written()
        shape = (len(task), num_passages)
        kinds = {} if self.complete else DTYPES
        self._arrays = {name: self._array(name, kind, shape) for name, kind in kinds.items()}

    def write(self, rows: np.ndarray, scores: np.ndarray) -> None:
        """Add the results of the next examples.

        Args:
            rows: int32 `(examples, passages)`, rows of the corpus.
            scores: float32 `(examples, passages)`.
        """
        part = slice(self.done, self.done + len(rows))
        for name, values in zip(DTYPES, (rows, scores), strict=True):
            self._arrays[name][part] = values
            self._arrays[name].flush()
        self._write_progress(self.done + len(rows))

    def finish(self) -> None:
        """Have the folder appear, all examples being written."""
        if self.done != self._manifest["examples"]:
            raise ValueError(
                f"`finish` must come after all {self._manifest['examples']} examples. "
                f"Received: {self.done} were written"
            )
        publish_folder(self._work, self.path)
        (self.path / PROGRESS).unlink()
        self.complete = True

    def _check_same(self) -> None:
        """Raise a `FileExistsError` if the folder holds results of something else."""
        existing = read_manifest(self.path, WHAT, VERSION)
        for name, value in self._manifest.items():
            if existing.get(name) != value:
                raise FileExistsError(
                    f"`path` must hold no results of something else: {self.path} has "
                    f"{name} {existing.get(name)}. Received: {value}"
                )

    def _written(self) -> int:
        """Count the examples that an interrupted writer of the same has written, or begin anew."""
        try:
            existing = read_manifest(self._work, WHAT, VERSION)
            done = json.loads((self._work / PROGRESS).read_text(encoding="utf-8"))
            if existing == self._manifest:
                return done
            raise FileExistsError(
                "`path` must have no unfinished results of something else. "
                f"Received: {self._work}; delete it to begin anew"
            )
        except (FileNotFoundError, CorruptFileError, json.JSONDecodeError):
            pass  # It was killed before or while they were written.
        shutil.rmtree(self._work, ignore_errors=True)
        self._work.mkdir(parents=True)
        write_manifest(self._work, self._manifest, VERSION)
        return 0

    def _array(self, name: str, dtype: str, shape: tuple[int, int]) -> np.memmap:
        """Open the array of an interrupted writer, or make a new one."""
        mode = "r+" if (self._work / PROGRESS).exists() else "w+"
        path = self._work / f"{name}.npy"
        return np.lib.format.open_memmap(path, mode, dtype, None if mode == "r+" else shape)

    def _write_progress(self, done: int) -> None:
        write_file(self._work / PROGRESS, json.dumps(done))
        self.done = done


def read_retrieved(
    path: str | os.PathLike[str], task: Task, corpus: Corpus, num_passages: int | None = None
) -> Task:
    """Give a task the rows that `RetrievedWriter` or `glimmer retrieve` wrote, memory-mapped.

    Args:
        path: The folder of the task's results.
        task: The same examples in the same order.
        corpus: The same passages in the same order.
        num_passages: How many of the best passages of each example; `None` for all that were
            retrieved.

    Raises:
        FileNotFoundError: If there are no complete results.
        ValueError: If they are of other examples or another corpus, have fewer than
            `num_passages` passages, or are damaged.
    """
    folder = Path(path)
    manifest = read_manifest(
        folder, WHAT, VERSION, ("task", "corpus", "examples", "num_passages", "settings")
    )
    for name, fingerprint in (("task", task.fingerprint), ("corpus", corpus.fingerprint)):
        if manifest[name] != fingerprint:
            raise ValueError(
                f"`{name}` must be that of {folder}, with fingerprint {manifest[name][:16]}. "
                f"Received: {fingerprint[:16]}"
            )
    shape = (manifest["examples"], manifest["num_passages"])
    rows = np.load(folder / "rows.npy", mmap_mode="r", allow_pickle=False)
    if rows.shape != shape or rows.dtype != DTYPES["rows"]:
        raise ValueError(
            f"{folder / 'rows.npy'} must be {DTYPES['rows']} of shape {shape}. "
            f"Received: {rows.dtype} of shape {rows.shape}"
        )
    if num_passages is not None and not 1 <= num_passages <= shape[1]:
        raise ValueError(
            f"`num_passages` must be from 1 to the {shape[1]} that were retrieved. "
            f"Received: num_passages={num_passages}"
        )
    return task.with_retrieved(rows if num_passages is None else fit_columns(rows, num_passages))
