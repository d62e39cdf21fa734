import pytest

from glimmer_keras.data import Example, Provenance, read_task

QUESTIONS = [
    Example("t-0", "t", "Where, if at all, does Ann live?", ("Torvik", "Ulm")),
    Example("t-1", "t", "Who?", ("Bo",)),
]
FILES = {
    "NQ-open": """\
{"question": "Where, if at all, does Ann live?", "answer": ["Torvik", "Ulm"]}
{"question": "Who?", "answer": ["Bo"]}
""",
    "FlashRAG": """\
{"id": "t-0", "question": "Where, if at all, does Ann live?", "golden_answers": ["Torvik", "Ulm"]}
{"id": "t-1", "question": "Who?", "golden_answers": ["Bo"], "metadata": {}}
""",
    "a list": """\
[{"question": "Where, if at all, does Ann live?", "answers": ["Torvik", "Ulm", ""]},
 {"question": "Who?", "answers": "Bo"}]
""",
    "DPR's table": """\
Where, if at all, does Ann live?\t['Torvik', "Ulm"]
Who?\t['Bo']
""",
    "PopQA's table": """\
question\tpossible_answers
Where, if at all, does Ann live?\t"[""Torvik"", ""Ulm""]"
Who?\t"[""Bo""]"
""",
    "CSV": """\
answer,question
"[""Torvik"", ""Ulm""]","Where, if at all, does Ann live?"
Bo,Who?
""",
}


@pytest.mark.parametrize("name", FILES)
def test_questions_and_answers(tmp_path, name):
    path = tmp_path / "t.txt"
    path.write_text(FILES[name])
    assert [*read_task(path)] == QUESTIONS


@pytest.mark.parametrize(
    "text",
    [
        '{"_id": "7", "text": "Where, so?", "metadata": {}}\n{"_id": "9", "text": "Who?"}\n',
        "7\tWhere, so?\n9\tWho?\n",
    ],
)
def test_queries_and_judgements(tmp_path, text):
    (tmp_path / "queries").write_text(text)
    path = tmp_path / "test.tsv"
    path.write_text("query-id\tcorpus-id\tscore\n7\td1\t1\n7\td2\t0\n7\td3\t2\n8\td1\t1\n")
    asked, other = read_task(tmp_path / "queries", qrels=path)
    assert (asked.id, asked.question, asked.answers) == ("7", "Where, so?", ())
    assert asked.evidence == ((Provenance("d1"),), (Provenance("d3"),))
    assert (other.id, other.evidence) == ("9", ())
    path.write_text("7 0 d4 1\n")
    assert read_task(tmp_path / "queries", qrels=path)[0].evidence == ((Provenance("d4"),),)
    for broken, message in (
        ("8 0 d4 1\n", "must have some of the 2 questions"),
        ("7 d4\n", r"test\.tsv:1: must be `query-id .*Received: 2 fields"),
        ("7 0 d4 yes\n", r"test\.tsv:1: relevance must be a number\. Received: 'yes'"),
    ):
        path.write_text(broken)
        with pytest.raises(ValueError, match=message):
            read_task(tmp_path / "queries", qrels=path)


def test_lines(tmp_path, caplog):
    path = tmp_path / "asked.txt"
    path.write_text("\ufeffWhere, so?\r\n\r\nWho?", encoding="utf-8")
    with caplog.at_level("INFO", "glimmer_keras"):
        task = read_task(path, unanswered="keep")
    assert [example.question for example in task] == ["Where, so?", "Who?"]
    assert (task.name, task[1].id) == ("asked", "asked-1")
    assert caplog.messages == [f"{path}: text, format lines"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"question": " ", "answer": ["a"]}', r":1: field `question` must not be blank"),
        ('{"question": "q", "answer": [1]}', r"`answer` must be a string or a list of strings"),
        ('{"question": "q", "answer": {"a": 1}}', r"must be a string or a list of strings\. Rec"),
        ('{"question": "q"}', r":1: must hold an answer"),
        ('{"query": "q", "id": "1"}', r"for the nearest, .*field `.*` is missing"),
        ('{"id": "1", "output": []}', r"get_triviaqa_input\.py puts them in"),
    ],
)
def test_what_is_wrong_is_told(tmp_path, text, message):
    path = tmp_path / "t.jsonl"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_task(path)


def test_a_string_in_brackets_is_no_program(tmp_path):
    path = tmp_path / "t.tsv"
    path.write_text("Who?\t[__import__('os').getcwd()]\n")
    assert read_task(path)[0].answers == ("[__import__('os').getcwd()]",)
