"""The manifest that says what a folder of ours holds, of which version, with its checksum."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from glimmer_keras.utils.files import write_file

MANIFEST = "manifest.json"
# The entry that says which version of its format something is of.
FORMAT = "format_version"


class CorruptFileError(ValueError):
    """A file is not as it was written."""


def encode_manifest(content: Mapping[str, Any], version: int) -> bytes:
    """A manifest as JSON with its own checksum, the same bytes for the same content.

    Args:
        content: Plain values by name.
        version: Of the format that `content` describes.
    """
    stated = {FORMAT: version, **content}
    stated["sha256"] = _checksum(stated)
    return json.dumps(stated, indent=1, sort_keys=True).encode() + b"\n"


def decode_manifest(
    encoded: bytes,
    name: str,
    version: int,
    required: Iterable[str] = (),
) -> dict[str, Any]:
    """What `encode_manifest` was given.

    Args:
        encoded: The bytes.
        name: Of the file, for errors.
        version: The one that is understood.
        required: Names that `content` must have.

    Raises:
        CorruptFileError: If it is not as it was written.
        ValueError: If it is of another version; all versions keep the checksum.
    """
    try:
        content = json.loads(encoded)
        expected = content.pop("sha256")
        stated = content.pop(FORMAT)
        received = _checksum({FORMAT: stated, **content})
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as damage:
        raise CorruptFileError(f"{name} is damaged: {type(damage).__name__}: {damage}") from damage
    if expected != received:
        raise CorruptFileError(
            f"{name} is damaged: `sha256` must be {expected!r}. Received: {received!r}"
        )
    if stated != version:
        raise ValueError(
            f"{name}: `{FORMAT}` must be {version}. "
            f"Received: {stated!r}, written by another version of this library"
        )
    if absent := [key for key in required if key not in content]:
        raise CorruptFileError(f"{name} is damaged: it must state {', '.join(sorted(absent))}")
    return content


def write_manifest(
    folder: str | os.PathLike[str], content: Mapping[str, Any], version: int, name: str = MANIFEST
) -> None:
    """Write the manifest of a folder, whole or not at all."""
    write_file(Path(folder) / name, encode_manifest(content, version))


def read_manifest(
    folder: str | os.PathLike[str],
    what: str,
    version: int,
    required: Iterable[str] = (),
    name: str = MANIFEST,
) -> dict[str, Any]:
    """Read the manifest of a folder.

    Args:
        folder: The folder.
        what: What it should be, for the error, such as ``"a corpus of `DiskCorpus.write`"``.
        version: The one that is understood.
        required: Names that it must have.
        name: Of the manifest's file.

    Raises:
        FileNotFoundError: If there is no manifest.
        CorruptFileError: If it is damaged.
        ValueError: If it is of another version.
    """
    file = Path(folder) / name
    if not file.is_file():
        raise FileNotFoundError(
            f"`path` must be {what}, with a {name}. Received: path={os.fspath(folder)!r}"
        )
    return decode_manifest(file.read_bytes(), str(file), version, required)


def sha256(content: bytes) -> str:
    """The checksum of some bytes, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def differences(expected: Mapping[str, Any], received: Mapping[str, Any]) -> str:
    """The entries in which two mappings differ, as errors tell them; empty if in none."""
    names = [n for n in {**expected, **received} if expected.get(n) != received.get(n)]
    if not names:
        return ""
    wished = ", ".join(f"{name}={expected.get(name)!r}" for name in names)
    return f"{wished}. Received: " + ", ".join(f"{name}={received.get(name)!r}" for name in names)


def _checksum(content: Mapping[str, Any]) -> str:
    return sha256(json.dumps(content, sort_keys=True).encode())
