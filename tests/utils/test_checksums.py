import pytest

from glimmer_keras.utils.checksums import CHECKSUMS, check_checksums, write_checksums
from glimmer_keras.utils.manifest import CorruptFileError


def test_what_is_changed_is_named(tmp_path):
    check_checksums(tmp_path)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a").write_bytes(b"1")
    (tmp_path / "b").write_bytes(b"2")
    write_checksums(tmp_path)
    (tmp_path / "more").write_bytes(b"3")
    check_checksums(tmp_path)
    (tmp_path / "in" / "a").write_bytes(b"0")
    with pytest.raises(CorruptFileError, match="in/a is damaged or was changed: its SHA-256 must"):
        check_checksums(tmp_path)
    write_checksums(tmp_path)
    check_checksums(tmp_path)
    (tmp_path / "b").unlink()
    check_checksums(tmp_path)
    (tmp_path / CHECKSUMS).write_text("{}")
    with pytest.raises(CorruptFileError, match="checksums.json is damaged"):
        check_checksums(tmp_path)
