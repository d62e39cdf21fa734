import io
import json

import pytest


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "towns").mkdir()
    (tmp_path / "towns" / "torvik.md").write_text("# Torvik\n\nMirelda Voss settled in Torvik.\n")
    (tmp_path / "towns" / "isk.txt").write_text("The river Isk.")
    return tmp_path / "towns"


def test_from_a_folder_to_an_answer(glimmer, folder, eager):
    question = "Where by the river does Mirelda Voss live?"
    status, out, _ = glimmer("ask", folder, question, "--preset", "tiny_world", "--json")
    answer = json.loads(out)
    assert (status, answer["question"]) == (0, question)
    assert {passage["id"] for passage in answer["passages"]} == {"torvik.md#0", "isk.txt#0"}
    assert all(passage["selected"] for passage in answer["passages"])


def test_a_prompt_waits_without_a_question(glimmer, folder, monkeypatch, eager):
    monkeypatch.setattr("sys.stdin", io.StringIO("Who?\nWhere?\n"))
    status, out, _ = glimmer("ask", folder, "--preset", "tiny_world", "--json")
    assert status == 0
    assert [json.loads(line)["question"] for line in out.splitlines()] == ["Who?", "Where?"]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["nowhere", "Who?"], "`folder` must be a folder. Received: 'nowhere'"),
        (["FOLDER", " "], "`question` must not be blank"),
    ],
)
def test_errors_are_one_line(glimmer, folder, words, line, eager):
    words = [folder if word == "FOLDER" else word for word in words]
    status, out, err = glimmer("ask", *words, "--preset", "tiny_world")
    assert (status, out) == (1, "")
    assert line in err
    assert err.startswith("glimmer: error: ")
