import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

UNREADABLE = (OSError, EOFError, UnicodeDecodeError, lzma.LZMAError, zlib.error)
BOM = b"\xef\xbb\xbf"
NOT_UTF8 = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}
# What Git LFS leaves in place of a file that was not fetched.
POINTER = b"version https://git-lfs.github.com/spec/"
SKIPPED_AT_ONCE = 2**20


class TextLine(NamedTuple):
    """A line of a file.

    Args:
        text: The line with its end.
        where: Place in the file, for messages.
        number: Number of the line, from 1.
        offset: Where the line begins, in bytes before compression.
    """

    text: str
    where: str
    number: int
    offset: int


def open_file(path: str | Path) -> BinaryIO:
    """Open a file, plain or compressed by gzip, xz, bzip2 or Zstandard, as its first bytes tell.

    Raises:
        FileNotFoundError: If there is no such file.
        ImportError: If it is a .zst, and the extra `zst` is not installed.
        ValueError: If it is only the pointer that Git LFS keeps in place of a file.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"`path` must be an existing file. Received: path={str(path)!r}")
    with path.open("rb") as file:
        start = file.read(len(POINTER))
    if start == POINTER:
        raise ValueError(f"{path}: is a pointer of Git LFS, not the file: run `git lfs pull`")
    for magic, opened in OPENERS.items():
        if start.startswith(magic):
            return opened(path)
    return path.open("rb")


def text_lines(path: str | Path, number: int = 1, offset: int = 0) -> Iterator[TextLine]:
    """Yield the lines of a file in UTF-8, one at a time, a byte-order mark left out.

    Args:
        path: The file.
        number: Number of the line to begin with.
        offset: Where that line begins in the file, in bytes before compression.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: Naming file and line, if a line cannot be read.
    """
    with open_file(path) as file:
        try:
            _skip(file, offset)
        except UNREADABLE as error:
            raise ValueError(f"{path}:{number}: cannot be read: {error}") from error
        while True:
            where = f"{path}:{number}"
            try:
                line = file.readline()
                if not line:
                    return
                yield TextLine(_decoded(line, offset == 0, where), where, number, offset)
            except UNREADABLE as error:
                raise ValueError(f"{where}: cannot be read: {error}") from error
            number, offset = number + 1, offset + len(line)


def _decoded(line: bytes, is_first: bool, where: str) -> str:
    if is_first:
        if line[:2] in NOT_UTF8:
            raise ValueError(f"{where}: must be UTF-8. Received: {NOT_UTF8[line[:2]]}")
        line = line.removeprefix(BOM)
    return line.decode()


def _skip(file: BinaryIO, count: int) -> None:
    """Go on by a number of bytes; what is compressed cannot be sought in any faster."""
    if isinstance(file, io.BufferedReader) and file.seekable():
        file.seek(count)
        return
    while count > 0 and (skipped := len(file.read(min(count, SKIPPED_AT_ONCE)))):
        count -= skipped


class _Zst(io.RawIOBase):
    """A .zst as it is unpacked; what is cut or broken in it is an error, not its end."""

    def __init__(self, path: Path) -> None:
        import zstandard

        self._new = zstandard.ZstdDecompressor().decompressobj
        self._error = zstandard.ZstdError
        self._file = path.open("rb")
        self._frame, self._left = self._new(), b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._left and (packed := self._frame.unused_data or self._file.read(2**17)):
            if self._frame.eof:
                self._frame = self._new()
            try:
                self._left = self._frame.decompress(packed)
            except self._error as error:
                raise OSError(str(error)) from error
        if not self._left and not self._frame.eof:
            raise EOFError("it ends in the midst of a frame")
        count = min(len(buffer), len(self._left))
        buffer[:count], self._left = self._left[:count], self._left[count:]
        return count

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


def _open_zst(path: Path) -> BinaryIO:
    try:
        return io.BufferedReader(_Zst(path))
    except ImportError as error:
        raise ImportError(
            f"{path}: reading .zst needs an extra: pip install glimmer_keras[zst]"
        ) from error


OPENERS: dict[bytes, Callable[[Path], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"\xfd7zXZ\x00": lzma.open,
    b"BZh": bz2.open,
    b"\x28\xb5\x2f\xfd": _open_zst,
}
