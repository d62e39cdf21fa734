import gzip
import io
import json

import pytest
from rich.console import Console

from glimmer_keras.evaluation import kilt_table, score_predictions
from glimmer_keras.metrics import kilt_scores


def row(name, answer, page):
    provenance = [{"wikipedia_id": page, "title": "T"}]
    return {"id": name, "output": [{"answer": answer, "provenance": provenance}]}


GOLD = [row("a", "Torvik", "1"), row("b", "harp", "2")]
PREDICTIONS = [row("a", "torvik", "1"), row("b", "harp", "3")]


@pytest.fixture
def write(tmp_path):
    def write(name, *lines):
        path = tmp_path / name
        text = "".join(
            (line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines
        )
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_files_score_as_their_records(write, tmp_path):
    gold, predictions = write("gold.jsonl", *GOLD), write("p.jsonl", *PREDICTIONS)
    expected = kilt_scores(GOLD, PREDICTIONS)
    assert expected["kilt"]["KILT-em"] == 1 / 2
    assert score_predictions(gold, predictions) == expected
    packed = tmp_path / "p.jsonl.gz"
    packed.write_bytes(gzip.compress(predictions.read_bytes()))
    assert score_predictions(gold, packed) == expected


def test_what_cannot_be_found_is_no_score_of_0(write):
    gold, predictions = write("gold.jsonl", *GOLD), write("p.jsonl", *PREDICTIONS)
    message = r"gold\.jsonl: no provenance has passage_id, .*Received: title, wikipedia_id; what"
    with pytest.raises(ValueError, match=message):
        score_predictions(gold, predictions, rank_keys=["passage_id"])
    found = [{"id": r["id"], "output": [{"answer": r["output"][0]["answer"]}]} for r in PREDICTIONS]
    answers = write("answers.jsonl", *found)
    with pytest.raises(ValueError, match=r"answers\.jsonl: no .*Received: no provenance; what"):
        score_predictions(gold, answers)
    scores = score_predictions(gold, answers, answers_only=True)
    assert scores == {"downstream": kilt_scores(GOLD, PREDICTIONS)["downstream"]}
    with pytest.raises(ValueError, match="At most one of `retrieval_only` and `answers_only`"):
        score_predictions(gold, answers, retrieval_only=True, answers_only=True)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([PREDICTIONS[0]], r"gold\.jsonl:2: every gold row must have .* none with id='b'$"),
        (PREDICTIONS[::-1], r"p\.jsonl:1: predictions must be in the order of the gold rows"),
        ([*PREDICTIONS, PREDICTIONS[0]], r"p\.jsonl:3: .* must be unique.* as at .*p\.jsonl:1$"),
        ([*PREDICTIONS, row("c", "x", "1")], r"p\.jsonl:3: field `id` must be that of a gold row"),
        (
            [PREDICTIONS[0], "", {"id": "b", "output": 2 * PREDICTIONS[1]["output"]}],
            r"p\.jsonl:3: field `output` must hold exactly one output, .*Received: 2 outputs",
        ),
        (['{"id": "a", "out'], r"p\.jsonl:1: not valid JSON"),
        (["[]"], r"p\.jsonl:1: must be a JSON object"),
        ([], r"p\.jsonl: must hold at least one record"),
        ([{"id": "a"}, PREDICTIONS[1]], r"p\.jsonl:1: field `output` must be a list of objects"),
    ],
)
def test_bad_files(write, lines, message):
    gold, predictions = write("gold.jsonl", *GOLD), write("p.jsonl", *lines)
    with pytest.raises(ValueError, match=message):
        score_predictions(gold, predictions)


def test_table_is_in_percent():
    console = Console(width=80, file=io.StringIO())
    console.print(kilt_table(kilt_scores(GOLD, PREDICTIONS, [5])))
    lines = [line.strip("│┃ \n").split() for line in console.file.getvalue().splitlines()]
    assert ["em", "│", "100.00"] in lines
    assert ["KILT-f1", "│", "50.00"] in lines
    assert ["precision@5", "│", "10.00"] in lines
