import os
from contextlib import suppress

import pytest

from glimmer_keras.pipelines import recover_preset, replace_preset
from tests import NumberedModel


@pytest.fixture
def preset(tmp_path):
    path = tmp_path / "run" / "preset"
    replace_preset(NumberedModel(1), path, {"note": "one"})
    return path


def held(path):
    """The number of the model and its note, when nothing else is there."""
    assert [found.name for found in path.parent.iterdir()] == ["preset"]
    return int((path / "assets" / "weights").read_text()), (path / "note").read_text()


def test_it_is_replaced_whole(preset):
    assert held(preset) == (1, "one")
    replace_preset(NumberedModel(2), preset, {"note": "two"})
    assert held(preset) == (2, "two")


def test_one_that_is_half_written_is_cleared_away(preset):
    with pytest.raises(KeyboardInterrupt):
        replace_preset(NumberedModel(2, fails=True), preset, {"note": "two"})
    assert (preset / "note").read_text() == "one"
    recover_preset(preset)
    assert held(preset) == (1, "one")


@pytest.mark.parametrize(("renames", "number"), [(0, 1), (1, 1), (2, 2)])
def test_a_kill_between_renames_loses_nothing(preset, monkeypatch, renames, number):
    rename, done = os.rename, []

    def killed(*names):
        if len(done) == renames:
            raise KeyboardInterrupt
        done.append(names)
        rename(*names)

    with monkeypatch.context() as patched, suppress(KeyboardInterrupt):
        patched.setattr(os, "rename", killed)
        replace_preset(NumberedModel(2), preset, {"note": "two"})
    recover_preset(preset)
    assert held(preset) == (number, {1: "one", 2: "two"}[number])
