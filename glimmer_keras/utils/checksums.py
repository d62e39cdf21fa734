"""The checksums of a folder's files, kept beside them."""

from __future__ import annotations

import hashlib
from pathlib import Path

from glimmer_keras.utils.manifest import CorruptFileError, read_manifest, write_manifest

CHECKSUMS = "checksums.json"
VERSION = 1


def write_checksums(folder: Path) -> None:
    """Note the SHA-256 of all files below a folder."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != CHECKSUMS)
    sums = {path.relative_to(folder).as_posix(): _sum(path) for path in files}
    write_manifest(folder, {"files": sums}, VERSION, CHECKSUMS)


def check_checksums(folder: Path) -> None:
    """Compare files with what `write_checksums` noted; more files, and fewer, pass.

    Raises:
        CorruptFileError: If a file is damaged; the message names it.
    """
    if not (folder / CHECKSUMS).is_file():
        return
    noted = read_manifest(folder, "a folder", VERSION, ("files",), CHECKSUMS)
    for name, expected in noted["files"].items():
        path = folder / name
        if path.is_file() and (received := _sum(path)) != expected:
            raise CorruptFileError(
                f"{path} is damaged or was changed: its SHA-256 must be {expected}, as "
                f"{CHECKSUMS} has it. Received: {received}"
            )


def _sum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
