import pytest

from glimmer_keras.data import (
    Corpus,
    Example,
    Passage,
    Task,
    read_dpr_results,
    read_kilt_results,
    read_results,
    read_trec_run,
)

CORPUS = Corpus([Passage(f"p{n}", "", "x") for n in range(3)])
TASK = Task("qa", [Example(f"q{n}", "qa", f"{n}?", ("a",)) for n in range(2)])
FILES = {
    "trec": (read_trec_run, "q1 Q0 p2 1 9 x\nq1 Q0 p0 2 8 x\n"),
    "kilt": (
        read_kilt_results,
        '{"id": "q1", "output": [{"provenance": [{"passage_id": "p2"}, {"passage_id": "p0"}]}]}\n',
    ),
    "pyserini": (
        None,
        '{"0": {"question": "1?", "contexts": [{"docid": "p2", "score": 1}, {"docid": "p0"}]}}',
    ),
    "dpr": (read_dpr_results, '{"question": "1?", "ctxs": [{"id": "p2"}, {"id": "p0"}]}\n'),
}


@pytest.mark.parametrize("format", list(FILES))
def test_a_format_by_name_and_by_its_own_function(tmp_path, format):
    read, text = FILES[format]
    path = tmp_path / "results"
    path.write_text(text)
    rows = read_results(path, format, TASK, CORPUS, 3)
    assert rows.tolist() == [[-1, -1, -1], [2, 0, -1]]
    if read:
        assert read(path, TASK, CORPUS, 3).tolist() == rows.tolist()
    assert read_results(path, None, TASK, CORPUS, 3).tolist() == rows.tolist()


def test_an_unknown_format():
    with pytest.raises(
        ValueError, match=r"one of \('dpr', 'kilt', 'pyserini', 'trec'\)\. Received: format='x'"
    ):
        read_results("results", "x", TASK, CORPUS, 3)
