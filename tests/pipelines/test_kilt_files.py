import json

import pytest

from glimmer_keras.data import Corpus, Example, Passage, Task
from glimmer_keras.pipelines import write_kilt_retrieval


def test_pages_are_written_as_kilt_reads_them(tmp_path):
    pages = [Passage("7-0", "Ann", "x", "7", 1, 2), Passage("b", "", "y", "8")]
    corpus = Corpus([*pages, Passage("c", "", "z")])
    task = Task("nq", [Example("q1", "nq", "who?"), Example("q2", "nq", "why?")])
    with pytest.raises(ValueError, match="`retrieved` must be set"):
        write_kilt_retrieval(task, corpus, tmp_path / "out.jsonl")
    write_kilt_retrieval(task.with_retrieved([[1, 0], [2, -1]]), corpus, tmp_path / "out.jsonl")
    first, second = map(json.loads, (tmp_path / "out.jsonl").read_text().splitlines())
    page = {"wikipedia_id": "7", "start_paragraph_id": 1, "end_paragraph_id": 2}
    assert first == {
        "id": "q1",
        "output": [
            {
                "provenance": [
                    {"wikipedia_id": "8", "passage_id": "b", "title": ""},
                    page | {"passage_id": "7-0", "title": "Ann"},
                ]
            }
        ],
    }
    assert second["output"] == [{"provenance": [{"passage_id": "c", "title": ""}]}]
