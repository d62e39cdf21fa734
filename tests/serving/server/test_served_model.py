import pytest

from glimmer_keras.serving.server.served_model import ServedModel, newest_version


def test_the_newest_version(tmp_path):
    for name in ("9", "10", ".11-x", "text"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "saved_model.pb").write_bytes(b"")
    (tmp_path / "12").mkdir()
    assert newest_version(tmp_path) == tmp_path / "10"
    assert newest_version(tmp_path / "9") == tmp_path / "9"
    with pytest.raises(FileNotFoundError, match="`directory` must hold a version"):
        newest_version(tmp_path / "text")


@pytest.mark.parametrize("content", [b"", b"not a message"])
def test_a_damaged_file(tmp_path, content):
    (tmp_path / "1").mkdir()
    (tmp_path / "1/saved_model.pb").write_bytes(content)
    with pytest.raises(ValueError, match="no SavedModel can be loaded: .*Received: '.*/1'"):
        ServedModel(tmp_path / "1", "m", 1, 1)
