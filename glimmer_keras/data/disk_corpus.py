import hashlib
import json
import mmap
import os
from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import overload

import numpy as np

from glimmer_keras.data.corpus import Corpus, passage_line, passage_of_line
from glimmer_keras.data.passage import Passage
from glimmer_keras.utils.files import new_folder
from glimmer_keras.utils.manifest import MANIFEST, read_manifest, write_manifest
from glimmer_keras.utils.progress import track

VERSION = 1
PASSAGES = "passages.jsonl"
ARRAYS = ("offsets", "ids", "id_rows", "pages", "page_rows")


class DiskCorpus(Corpus):
    """A corpus in a folder, found by row, id and page without being held in memory.

    It does all that a `Corpus` does, for tens of millions of passages. Made by
    `DiskCorpus.write`; `read_corpus` opens it too. The folder has

        passages.jsonl         a line for each row; its SHA-256 is the corpus's fingerprint
        offsets.npy            int64 (passages + 1,): where the lines begin
        ids.npy, id_rows.npy   uint64, int32 (passages,): hashes of the ids, ascending; their rows
        pages.npy, page_rows.npy   the same of the pages, of passages that have one
        manifest.json          format, number of passages, fingerprint

    all memory-mapped, so that opening takes a moment.

    Args:
        path: The folder.

    Raises:
        FileNotFoundError: If `path` holds no complete corpus.
        ValueError: If it is of another format, or damaged.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        folder = Path(path)
        manifest = read_manifest(
            path, "a folder of `DiskCorpus.write`", VERSION, ("fingerprint", "passages")
        )
        self.path = os.fspath(path)
        self.fingerprint = manifest["fingerprint"]
        offsets, ids, id_rows, pages, page_rows = (
            np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False).view(np.ndarray)
            for name in ARRAYS
        )
        size, count = (folder / PASSAGES).stat().st_size, manifest["passages"]
        if not count + 1 == len(offsets) == len(ids) + 1 == len(id_rows) + 1 or (
            size != offsets[-1] or len(pages) != len(page_rows)
        ):
            raise ValueError(
                f"{folder}: must hold {count} passages. Received: files of other lengths"
            )
        self._offsets, self._ids, self._id_rows = offsets, ids, id_rows
        self._page_ids, self._rows_of_pages = pages, page_rows
        with (folder / PASSAGES).open("rb") as file:
            self._lines = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    @staticmethod
    def is_one(path: str | os.PathLike[str]) -> bool:
        """Tell whether a folder is of `DiskCorpus.write`, whole or not."""
        return any(Path(path, name).is_file() for name in (MANIFEST, PASSAGES))

    @classmethod
    def write(
        cls, path: str | os.PathLike[str], passages: Iterable[Passage], progress: bool = True
    ) -> "DiskCorpus":
        """Write passages to a new folder, which appears when all is written.

        The passages are iterated once. About 80 bytes a passage are held meanwhile.

        Args:
            path: The new folder.
            passages: With distinct ids; a `PassageFile`, or any others.
            progress: Whether to show a progress bar in a terminal.

        Raises:
            FileExistsError: If `path` is there already.
            ValueError: If there is no passage, or two share an id.
        """
        with new_folder(path) as work:
            _write(work, passages, progress)
        return cls(path)

    def __len__(self) -> int:
        return len(self._ids)

    @overload
    def __getitem__(self, row: int) -> Passage: ...
    @overload
    def __getitem__(self, row: slice) -> list[Passage]: ...
    def __getitem__(self, row: int | slice) -> Passage | list[Passage]:
        if isinstance(row, slice):
            return [self._read(number) for number in range(len(self))[row]]
        return self._read(range(len(self))[row])

    def __iter__(self) -> Iterator[Passage]:
        with Path(self.path, PASSAGES).open("rb") as file:
            for line in file:
                yield passage_of_line(line)

    def _read(self, row: int) -> Passage:
        return passage_of_line(self._lines[self._offsets[row] : self._offsets[row + 1]])

    def _row(self, passage_id: str) -> int:
        start = b"[" + json.dumps(passage_id).encode() + b","
        for row in _same_hash(self._ids, self._id_rows, passage_id):
            offset = int(self._offsets[row])
            if self._lines[offset : offset + len(start)] == start:
                return row
        return -1

    def _page_rows(self, page_id: str) -> list[int]:
        rows = _same_hash(self._page_ids, self._rows_of_pages, page_id)
        return [row for row in rows if self._read(row).page_id == page_id]


def _hash(text: str) -> int:
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8)
    return int.from_bytes(digest.digest(), "little")


def _same_hash(hashes: np.ndarray, rows: np.ndarray, text: str) -> list[int]:
    """Look up the rows that a text may have: two texts can have one hash."""
    wanted = np.uint64(_hash(text))
    first, last = (int(np.searchsorted(hashes, wanted, side)) for side in ("left", "right"))
    return rows[first:last].tolist()


def _write(work: Path, passages: Iterable[Passage], progress: bool) -> None:
    """Write the lines, and after them what finds them."""
    offsets, ids, pages, page_rows = array("q", [0]), array("Q"), array("Q"), array("i")
    digest = hashlib.sha256()
    with (work / PASSAGES).open("wb") as file:
        for row, passage in enumerate(track(passages, "Writing", "passages", show=progress)):
            line = passage_line(passage)
            digest.update(line)
            file.write(line)
            offsets.append(offsets[-1] + len(line))
            ids.append(_hash(passage.id))
            if passage.page_id:
                pages.append(_hash(passage.page_id))
                page_rows.append(row)
    if not ids:
        raise ValueError("`passages` must hold at least one passage. Received: 0 passages")
    id_hashes, id_rows = _sorted(ids, np.arange(len(ids), dtype="int32"))
    _check_distinct(work / PASSAGES, offsets, id_hashes, id_rows)
    owners = np.array(page_rows, "int32")
    arrays = (np.array(offsets, "int64"), id_hashes, id_rows, *_sorted(pages, owners))
    for name, values in zip(ARRAYS, arrays, strict=True):
        np.save(work / f"{name}.npy", values, allow_pickle=False)
    write_manifest(work, {"passages": len(ids), "fingerprint": digest.hexdigest()}, VERSION)


def _sorted(hashes: array, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sort hashes and their rows `(n,)` by hash, then by row."""
    values = np.array(hashes, "uint64")
    order = np.argsort(values, kind="stable")
    return values[order], rows[order]


def _check_distinct(path: Path, offsets: array, hashes: np.ndarray, rows: np.ndarray) -> None:
    """Raise a `ValueError` if two ids are the same, not only their hashes, which are ascending."""
    with path.open("rb") as file:

        def id_of(place: int) -> str:
            file.seek(offsets[rows[place]])
            return json.loads(file.readline())[0]

        for place in np.flatnonzero(hashes[1:] == hashes[:-1]).tolist():
            earlier = place
            while earlier >= 0 and hashes[earlier] == hashes[place + 1]:
                if id_of(earlier) == id_of(place + 1):
                    raise ValueError(
                        f"`passages` must have distinct ids. Received: id={id_of(earlier)!r} "
                        f"at rows {rows[earlier]} and {rows[place + 1]}"
                    )
                earlier -= 1
