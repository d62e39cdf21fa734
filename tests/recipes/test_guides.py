"""The commands of the guides do what the pages say, in their order."""

import json
import re
import shlex
from pathlib import Path

import pytest

from glimmer_keras.cli.main import main

GUIDES = Path(__file__).resolve().parents[2] / "recipes" / "guides"
PAGES = {
    "Torvik": ["Torvik grew from a camp that was made in 1863.", "Torvik is by the Arvel."],
    "Mirelda Voss": ["Mirelda Voss would play the harp.", "Voss later settled in Torvik."],
    "The Marble Palace": ["Critics often call The Marble Palace a fine romance."],
    "Arvel": ["The Arvel is a river.", "Section::::Course.", "It ends in the sea."],
}
QUESTIONS = [
    ("Where does Mirelda Voss live?", "Torvik", "Mirelda Voss", 2),
    ("What does Mirelda Voss play?", "harp", "Mirelda Voss", 1),
    ("What genre is The Marble Palace?", "romance", "The Marble Palace", 1),
]


def commands(page):
    text = (GUIDES / page).read_text(encoding="utf-8")
    for block in re.findall(r"```bash\n(.*?)```", text, re.DOTALL):
        for line in block.splitlines():
            program, *arguments = shlex.split(line)
            assert program == "glimmer"
            # The same in less time.
            yield ["tiny_world" if word == "wikipedia_small" else word for word in arguments]


def write_lines(path, records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")


@pytest.fixture
def kilt(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    numbers = {title: str(100 + n) for n, title in enumerate(PAGES)}
    pages = [
        {"_id": numbers[title], "wikipedia_id": numbers[title], "wikipedia_title": title}
        | {"text": [f"{title}\n", *paragraphs]}
        for title, paragraphs in PAGES.items()
    ]
    write_lines(tmp_path / "kilt_knowledgesource.json", pages)
    asked = []
    for n, (question, answer, title, paragraph) in enumerate(QUESTIONS):
        place = {"start_paragraph_id": paragraph, "end_paragraph_id": paragraph}
        piece = {"wikipedia_id": numbers[title], "title": title, **place}
        output = [{"answer": answer, "provenance": [piece]}]
        asked.append({"id": str(n), "input": question, "output": output})
    write_lines(tmp_path / "nq-dev-kilt.jsonl", asked)
    return tmp_path


def test_from_kilt_to_a_submission(kilt, capsys):
    said = {}
    for arguments in commands("kilt.md"):
        assert main(arguments) == 0, arguments
        said[" ".join(arguments[:1] + arguments[-1:])] = capsys.readouterr().out
    for scored in (said["evaluate --retrieval-only"], said["evaluate predictions.jsonl"]):
        rows = dict(re.findall(r"│ (\S+)\s+│\s+([\d.]+) │", scored))
        assert float(rows["Rprec"]) > 60
        assert float(rows["recall@5"]) == 100
    lines = [json.loads(line) for line in (kilt / "predictions.jsonl").read_text().splitlines()]
    for line in lines:
        [output] = line["output"]
        assert all(piece["wikipedia_id"] for piece in output["provenance"])
        assert set(line) == {"id", "output"}
    right = [q[1] in line["output"][0]["answer"] for q, line in zip(QUESTIONS, lines, strict=True)]
    assert any(right)
    assert (float(rows["em"]) > 0) == (float(rows["KILT-em"]) > 0)
