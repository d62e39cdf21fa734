import bz2
import gzip
import lzma
import sys

import pytest

from glimmer_keras.data.text_lines import open_file, text_lines

TEXT = "eins\r\nzwei ü\n\ndrei"


def packed():
    zstandard = pytest.importorskip("zstandard")
    return {
        "gz": gzip.compress,
        "xz": lzma.compress,
        "bz2": bz2.compress,
        "zst": zstandard.ZstdCompressor(write_checksum=True).compress,
    }


@pytest.mark.parametrize("kind", ["plain", "gz", "xz", "bz2", "zst"])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
def test_lines_from_any_place_on(tmp_path, kind, bom):
    content = (bom + TEXT).encode()
    path = tmp_path / "text"  # The name tells nothing.
    path.write_bytes(content if kind == "plain" else packed()[kind](content))
    lines = list(text_lines(path))
    assert [line.text for line in lines] == ["eins\r\n", "zwei ü\n", "\n", "drei"]
    assert [line.where for line in lines] == [f"{path}:{n}" for n in (1, 2, 3, 4)]
    for number, line in enumerate(lines):
        assert list(text_lines(path, line.number, line.offset)) == lines[number:]


@pytest.mark.parametrize("kind", ["gz", "xz", "bz2", "zst"])
def test_what_is_cut_or_broken_is_told(tmp_path, kind):
    whole = packed()[kind](b"".join(b"%d\n" % n for n in range(9999)))
    path = tmp_path / "text"
    for broken in (whole[:-9], whole[:99] + b"\xff" * 9 + whole[108:]):
        path.write_bytes(broken)
        with pytest.raises(ValueError, match=r"text:\d+: cannot be read: "):
            list(text_lines(path))


def test_what_is_no_text(tmp_path):
    path = tmp_path / "text"
    path.write_bytes("eins\n".encode("utf-16"))
    with pytest.raises(ValueError, match=r"text:1: must be UTF-8\. Received: UTF-16"):
        list(text_lines(path))
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 9\n")
    with pytest.raises(ValueError, match="is a pointer of Git LFS, not the file: run `git lfs pul"):
        open_file(path)
    with pytest.raises(FileNotFoundError, match="`path` must be an existing file"):
        open_file(tmp_path)


def test_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "zstandard", None)
    path = tmp_path / "text.zst"
    path.write_bytes(b"\x28\xb5\x2f\xfd")
    with pytest.raises(ImportError, match=r"pip install glimmer_keras\[zst\]"):
        open_file(path)
