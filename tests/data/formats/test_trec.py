import gzip
import logging

import pytest

from glimmer_keras.data import Corpus, Example, Passage, Task, read_trec_run

CORPUS = Corpus([Passage(f"p{n}", "", "x") for n in range(6)])
TASK = Task("qa", [Example(f"q{n}", "qa", f"{n}?", ("a",)) for n in range(3)])
RUN = """\
q2 Q0 p4 1 9.5 bm25
q2 Q0 p0 2 9.0 bm25

q0 Q0 p1 3 1.5 bm25
q0\tQ0\tp2\t1\t2.5\tbm25
q0 Q0 p5 2 2.5 bm25
q0 Q0 p2 9 0.5 bm25
q0 Q0 p3 4 1e-1 bm25
other Q0 p1 1 1 bm25
"""


@pytest.fixture
def run(tmp_path):
    def write(text):
        path = tmp_path / "run.txt"
        path.write_text(text)
        return path

    return write


def test_by_score_then_rank_and_no_passage_twice(run, caplog):
    with caplog.at_level(logging.INFO, "glimmer_keras"):
        rows = read_trec_run(run(RUN), TASK, CORPUS, 4)
    assert rows.tolist() == [[2, 5, 1, 3], [-1, -1, -1, -1], [4, 0, -1, -1]]
    assert rows.dtype == "int32"
    assert caplog.messages == [f"{run(RUN)}: 1 of 3 questions have no results"]
    assert TASK.with_retrieved(rows).retrieved.tolist() == rows.tolist()
    assert read_trec_run(run(RUN), TASK, CORPUS, 1).tolist() == [[2], [-1], [4]]


def test_gzipped(tmp_path):
    path = tmp_path / "run.gz"
    path.write_bytes(gzip.compress(RUN.encode()))
    assert read_trec_run(path, TASK, CORPUS, 2).tolist() == [[2, 5], [-1, -1], [4, 0]]


def test_unknown_passages_are_an_error_or_skipped(run, caplog):
    text = "q0 Q0 p1 1 2 x\nq0 Q0 p9 2 1 x\nq0 Q0 p3 3 0 x\n"
    with pytest.raises(ValueError, match=r"run\.txt:2: must name a passage .* Received: 'p9'"):
        read_trec_run(run(text), TASK, CORPUS, 3)
    rows = read_trec_run(run(text), TASK, CORPUS, 3, unknown="skip")
    assert rows[0].tolist() == [1, 3, -1]
    assert "run.txt: 1 results are not in the corpus" in caplog.messages[0]
    # What is further down than is asked for is not looked at.
    assert read_trec_run(run(text), TASK, CORPUS, 1)[0].tolist() == [1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("q0 Q0 p1 1 2\n", r"run\.txt:1: must be `question-id Q0 .* Received: 5 fields"),
        ("\nq0 Q0 p1 1 x t\n", r"run\.txt:2: rank must be .* Received: rank=1, score=x"),
        ("q0 Q0 p1 1.5 2 t\n", r"Received: rank=1\.5, score=2"),
        ("q0 Q0 p1 1 nan t\n", r"run\.txt:1: score must be a number\. Received: score=nan"),
        (
            "q0 Q0 p1 1 2 t\nq1 Q0 p1 1 2 t\nq0 Q0 p2 2 1 t\n",
            r"run\.txt:3: the results of a question must stand together.* Received: 'q0' again",
        ),
        ("q7 Q0 p1 1 2 t\n", r"run\.txt: must have results .* none for any of the 3, among 1"),
        ("", "among 0 others"),
    ],
)
def test_broken_runs(run, text, message):
    with pytest.raises(ValueError, match=message):
        read_trec_run(run(text), TASK, CORPUS, 3)


def test_arguments(run, tmp_path):
    with pytest.raises(ValueError, match="`num_passages` must be at least 1. .*num_passages=0"):
        read_trec_run(run(RUN), TASK, CORPUS, 0)
    with pytest.raises(ValueError, match="`unknown` must be one of .*unknown='keep'"):
        read_trec_run(run(RUN), TASK, CORPUS, 1, unknown="keep")
    with pytest.raises(FileNotFoundError):
        read_trec_run(tmp_path / "none", TASK, CORPUS, 1)
    (tmp_path / "bad.gz").write_bytes(gzip.compress(b"q")[:-9])
    with pytest.raises(ValueError, match=r"bad\.gz:1: cannot be read"):
        read_trec_run(tmp_path / "bad.gz", TASK, CORPUS, 1)
