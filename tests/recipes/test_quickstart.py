import runpy
import sys
from pathlib import Path

import pytest

from recipes import quickstart
from recipes.pretraining.spans import SENTENCE


def test_a_dozen_questions_of_the_library(capsys, eager):
    quickstart.main(["--preset", "tiny_world"])
    printed = capsys.readouterr().out
    assert "60 passages" in printed
    for question, expected in quickstart.QUESTIONS:
        assert question in " ".join(printed.split())
        assert f"(expected: {', '.join(expected)})" in " ".join(printed.split())
    assert printed.count("  BM25 rank ") == 24  # two passages each
    assert "of 12 right; in " in printed


def test_a_folder_of_ones_own(tmp_path, capsys, eager):
    (tmp_path / "towns.txt").write_text("The town of Torvik [/a] grew in 1863. It lies on the Isk.")
    quickstart.main([str(tmp_path), "--preset", "tiny_world"])
    printed = capsys.readouterr().out
    assert "The town of _ [/a] grew in 1863." in printed
    assert "(expected: Torvik)" in printed
    assert "of 3 right" in printed
    with pytest.raises(SystemExit):
        quickstart.main([str(tmp_path / "nowhere")])
    assert "`folder` must be a folder" in capsys.readouterr().err


def test_the_library_answers_what_is_asked():
    """Each answer stands in it once or more, in sentences of their own."""
    corpus = quickstart.read_texts(quickstart.LIBRARY)
    texts = [sentence for passage in corpus for sentence in SENTENCE.split(passage.text)]
    assert len(corpus) == 60
    for question, expected in quickstart.QUESTIONS:
        if expected[0] not in ("SUPPORTS", "REFUTES"):
            assert any(expected[0] in text for text in texts), question


def test_a_script_finds_the_other_recipes(monkeypatch):
    """Run by its path, it has its own folder in front of Python's, not the one that it is in."""
    path = Path(quickstart.__file__)
    monkeypatch.setattr(sys, "path", [str(path.parent), *sys.path])
    assert runpy.run_path(str(path))["MADE"] == quickstart.MADE
    assert sys.path[0] == str(path.parents[1])
