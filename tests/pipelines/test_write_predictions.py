import json

import pytest

from glimmer_keras import data, pipelines
from glimmer_keras.pipelines import Answer, RankedPassage

# Its second character ends a line for `str.splitlines`, and not in JSON lines.
TITLE = "Ü\u2028lm"
TASK = data.Task("qa", [data.Example(f"q{i}", "qa", f"who {i}?") for i in range(3)])


class Reader:
    """Answers with the question's number; the question `bad` is an interruption."""

    def __init__(self, bad=""):
        self.bad, self.asked = bad, []

    def answer_all(self, questions):
        for question in questions:
            if question == self.bad:
                raise KeyboardInterrupt
            self.asked.append(question)
            passages = (
                RankedPassage("p2", TITLE, "text", 1.5, True, 2, None),
                RankedPassage("p1", "", "text", None, False, 1, 3.0),
            )
            yield Answer(question, question[4], passages)


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1]]


def test_predictions_as_kilt_reads_them(tmp_path):
    pipelines.write_predictions(Reader(), TASK, tmp_path / "out.jsonl")
    rows = lines(tmp_path / "out.jsonl")
    provenance = [
        {"passage_id": "p2", "title": TITLE, "score": 1.5},
        {"passage_id": "p1", "title": "", "score": None},
    ]
    assert rows == [
        {"id": f"q{i}", "output": [{"answer": str(i), "provenance": provenance}]} for i in range(3)
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["out.jsonl"]
    asked = [row | {"input": "who?"} for row in rows]
    (tmp_path / "task.jsonl").write_text("\n".join(map(json.dumps, asked)))
    example = data.read_task(tmp_path / "task.jsonl")[2]
    assert example.answers == ("2",)
    assert [piece.passage_id for piece in example.evidence[0]] == ["p2", "p1"]


@pytest.mark.parametrize(("settings", "asked"), [({"k": 1}, ["who 1?", "who 2?"]), ({"k": 2}, 3)])
def test_it_goes_on_where_it_was_interrupted(tmp_path, settings, asked):
    out = tmp_path / "out.jsonl"
    with pytest.raises(KeyboardInterrupt):
        pipelines.write_predictions(Reader(bad="who 1?"), TASK, out, {"k": 1})
    assert not out.exists()
    with (tmp_path / "out.jsonl.part").open("a") as file:
        file.write('{"id": "half a li')
    reader = Reader()
    pipelines.write_predictions(reader, TASK, out, settings)
    assert reader.asked == asked or len(reader.asked) == asked
    assert [row["id"] for row in lines(out)] == ["q0", "q1", "q2"]
