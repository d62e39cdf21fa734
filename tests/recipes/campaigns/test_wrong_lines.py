from pathlib import Path

import pytest

from recipes.campaigns import wrong_lines
from recipes.campaigns.wrong_lines import ROOT, place_of, try_line

LINES = wrong_lines.wrong_lines()


@pytest.mark.parametrize("name", LINES)
def test_each_stands_once_and_has_its_tests(name):
    line = LINES[name]
    assert place_of(line["old"]).is_file()
    assert line["old"] != line["new"]
    assert line["tests"]
    assert all((ROOT / path).exists() for path in line["tests"])


@pytest.fixture
def tree(tmp_path):
    (tmp_path / "glimmer_keras").mkdir()
    (tmp_path / "glimmer_keras/__init__.py").write_text("")
    (tmp_path / "glimmer_keras/one.py").write_text("def one():\n    return 1\n")
    test = "from glimmer_keras.one import one\n\n\ndef test_one():\n    assert one() == 1\n"
    (tmp_path / "test_one.py").write_text(test)
    return tmp_path


def test_a_wrong_line_is_seen_and_put_right(tree):
    seen = try_line(tree, "return 1", "return 2", ["test_one.py"])
    assert seen["module"] == str(Path("glimmer_keras", "one.py"))
    assert seen["seen by"] == "test_one.py::test_one"
    assert (tree / "glimmer_keras/one.py").read_text() == "def one():\n    return 1\n"
    assert try_line(tree, "return 1", "return True", ["test_one.py"])["seen by"] is None


def test_a_text_that_does_not_stand_once(tree):
    with pytest.raises(ValueError, match="must stand once in the package. Received: 'none'"):
        place_of("none", tree)
