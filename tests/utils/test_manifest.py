import hashlib
import json

import pytest

from glimmer_keras.utils.manifest import (
    CorruptFileError,
    decode_manifest,
    differences,
    encode_manifest,
    read_manifest,
    write_manifest,
)


def test_what_is_written_is_read(tmp_path):
    write_manifest(tmp_path, {"b": [1, 2.5], "a": "é"}, 3)
    assert read_manifest(tmp_path, "a folder of ours", 3, ("a",)) == {"b": [1, 2.5], "a": "é"}
    content = json.loads((tmp_path / "manifest.json").read_text())
    checksum = content.pop("sha256")
    assert checksum == hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    assert content["format_version"] == 3


def test_the_same_content_gives_the_same_bytes():
    assert encode_manifest({"a": 1, "b": 2}, 1) == encode_manifest({"b": 2, "a": 1}, 1)


def test_every_flipped_bit_is_named():
    encoded = encode_manifest({"passages": 12, "name": "x"}, 1)
    for position in range(len(encoded) - 1):
        damaged = bytearray(encoded)
        damaged[position] ^= 1 << position % 8
        with pytest.raises(CorruptFileError, match="^m is damaged: "):
            decode_manifest(bytes(damaged), "m", 1)


@pytest.mark.parametrize(
    "encoded",
    [b"", b"\xff", b"[]", b"null", b"{}", b"[" * 100_000, b'{"format_version": 1', b"1"],
)
def test_what_is_no_manifest(encoded):
    with pytest.raises(CorruptFileError, match="^m is damaged: "):
        decode_manifest(encoded, "m", 1)


def test_a_name_that_is_missing():
    with pytest.raises(CorruptFileError, match="^m is damaged: it must state b, c"):
        decode_manifest(encode_manifest({"a": 1}, 1), "m", 1, ("c", "a", "b"))


def test_another_version():
    with pytest.raises(ValueError, match=r"^m: `format_version` must be 1\. Received: 2") as error:
        decode_manifest(encode_manifest({}, 2), "m", 1)
    assert not isinstance(error.value, CorruptFileError)


def test_no_manifest(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"must be a corpus, with a manifest\.json"):
        read_manifest(tmp_path, "a corpus", 1)


def test_differences():
    assert differences({"a": 1, "b": 2}, {"a": 1, "b": 2}) == ""
    assert differences({"a": 1, "b": 2}, {"a": 3, "c": 4}) == (
        "a=1, b=2, c=None. Received: a=3, b=None, c=4"
    )
