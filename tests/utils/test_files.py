import os
from contextlib import suppress

import pytest

from glimmer_keras.utils import files as module
from glimmer_keras.utils.files import (
    new_folder,
    publish_folder,
    recover_folder,
    remove_folder,
    remove_left,
    write_file,
)
from glimmer_keras.utils.locks import HeldError


def names(path):
    return sorted(child.name for child in path.iterdir())


def write(path, text, **options):
    with new_folder(path, **options) as work:
        (work / "deep").mkdir()
        (work / "deep/file").write_text(text)


def test_a_file_is_written_and_replaced(tmp_path):
    path = tmp_path / "new/file"
    write_file(path, "é")
    assert path.read_bytes() == b"\xc3\xa9"
    write_file(path, b"\x00")
    assert path.read_bytes() == b"\x00"
    assert names(path.parent) == ["file"]


def test_a_file_that_cannot_be_written_is_as_it_was(tmp_path, monkeypatch):
    write_file(tmp_path / "file", "before")

    def full(path):
        raise OSError("No space left on device")

    monkeypatch.setattr(module, "sync", full)
    with pytest.raises(OSError, match="No space left"):
        write_file(tmp_path / "file", "after")
    assert (tmp_path / "file").read_text() == "before"
    assert names(tmp_path) == ["file"]


def test_a_folder_appears_when_it_is_complete(tmp_path):
    left = tmp_path / ".3-killed/3"
    left.mkdir(parents=True)
    with new_folder(tmp_path / "3") as work:
        (work / "deep").mkdir()
        (work / "deep/file").write_text("all of it")
        assert not left.exists()
        assert not (tmp_path / "3").exists()
    assert (tmp_path / "3/deep/file").read_text() == "all of it"
    assert names(tmp_path) == ["3"]


def test_nothing_is_left_of_a_block_that_raises(tmp_path):
    with suppress(KeyboardInterrupt), new_folder(tmp_path / "a") as work:
        (work / "file").write_text("half of it")
        raise KeyboardInterrupt
    assert names(tmp_path) == []


def test_a_folder_that_is_there_is_kept(tmp_path):
    write(tmp_path / "a", "first")
    with pytest.raises(FileExistsError, match="`path` must be new. Received: '.*a'"):
        write(tmp_path / "a", "second")
    with pytest.raises(FileExistsError, match="written meanwhile"), new_folder(tmp_path / "b"):
        write(tmp_path / "b", "of another", alone=False)
    assert (tmp_path / "b/deep/file").read_text() == "of another"
    assert names(tmp_path) == ["a", "b"]


def test_a_folder_is_written_by_one_at_a_time(tmp_path):
    with new_folder(tmp_path / "3") as work:
        (work / "file").write_text("of the first")
        with (
            pytest.raises(HeldError, match=rf"`path` must .*held by process {os.getpid()} on "),
            new_folder(tmp_path / "3"),
        ):
            raise AssertionError
        write(tmp_path / "4", "another")
    assert (tmp_path / "3/file").read_text() == "of the first"
    assert names(tmp_path) == ["3", "4"]


@pytest.mark.parametrize(("renames", "text"), [(0, "old"), (1, "old"), (2, "new")])
def test_a_kill_between_renames_leaves_one_of_the_two(tmp_path, monkeypatch, renames, text):
    path = tmp_path / "a"
    write(path, "old")
    rename, done = os.rename, []

    def killed(*paths):
        if len(done) == renames:
            raise KeyboardInterrupt
        done.append(paths)
        rename(*paths)

    with monkeypatch.context() as patched, suppress(KeyboardInterrupt):
        patched.setattr(os, "rename", killed)
        write(path, "new", replace=True)
    recover_folder(path)
    assert (path / "deep/file").read_text() == text
    remove_left(path)
    assert names(tmp_path) == ["a"]


def test_published_and_removed(tmp_path):
    work = tmp_path / "work"
    work.mkdir()
    (work / "file").write_text("")
    publish_folder(work, tmp_path / "a")
    assert names(tmp_path) == ["a"]
    remove_folder(tmp_path / "a")
    assert names(tmp_path) == []
