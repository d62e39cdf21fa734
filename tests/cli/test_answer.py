import io
import json

import pytest

import glimmer_keras as gk
from glimmer_keras import pipelines
from glimmer_keras.cli.answer import weights_time
from glimmer_keras.cli.main import main
from glimmer_keras.data import read_corpus, read_task

PASSAGES = [
    {"id": "1", "title": "Torvik", "text": "Torvik grew from a camp."},
    {"id": "2", "title": "Mirelda Voss", "text": "Voss later settled in Torvik [sic]."},
    {"id": "3", "title": "Arvel", "text": "The river."},
]
QUESTIONS = ["What of Torvik's river does Voss see?", "Torvik [SEP] founding year, Voss, river"]


def write_lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory, make_glimmer):
    """A folder with a preset, a corpus, its store and questions; the model; and its answers."""
    folder = tmp_path_factory.mktemp("answer")
    glimmer = make_glimmer(12, 16, 3, 3)
    glimmer.save_to_preset(folder / "preset")
    corpus = read_corpus(write_lines(folder / "corpus.jsonl", PASSAGES))
    store = pipelines.encode_corpus(glimmer, corpus, folder / "s", "float32", progress=False)
    asked = [{"id": f"q{i}", "input": question} for i, question in enumerate(QUESTIONS)]
    write_lines(folder / "questions.jsonl", asked)
    reader = gk.Reader(glimmer, store, pipelines.bm25_index(store))
    return folder, glimmer, [reader.answer(question) for question in QUESTIONS]


@pytest.fixture
def run(files, monkeypatch, capsys):
    """Run `glimmer answer` on the preset as it is in memory; gives status, output and errors."""
    monkeypatch.setattr(gk.Glimmer, "from_preset", lambda path: files[1])
    monkeypatch.setenv("COLUMNS", "100")

    def run(*arguments, typed=""):
        monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        arguments = [str(part) for part in arguments]
        status = main(["answer", str(files[0] / "preset"), *arguments])
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


def check(line, expected):
    got = json.loads(line)
    assert (got["question"], got["text"]) == (expected.question, expected.text)
    order = {p["id"]: p["score"] for p in got["passages"]}
    assert order == pytest.approx({p.id: p.score for p in expected.passages}, abs=1e-4)
    assert [p["selected"] for p in got["passages"]] == [True, True, False]


def test_one_question_from_files(files, capsys):
    folder, _, expected = files
    preset, store = str(folder / "preset"), str(folder / "s")
    command = ["answer", preset, "--store", store, "--question", QUESTIONS[0], "--json"]
    assert main(command) == 0
    check(capsys.readouterr().out, expected[0])


def test_ids_and_a_table(files, run):
    asked = ("--question", QUESTIONS[1], "--ids", "2")
    status, said, _ = run("--store", files[0] / "s", *asked)
    assert status == 0
    assert "Torvik [SEP] founding year, Voss, river" in said
    assert "Mirelda Voss: Voss later settled in Torvik [sic]." in said
    assert "was read" in said


def test_a_file_of_questions(files, run, tmp_path):
    folder, _, expected = files
    asked = ("--input", folder / "questions.jsonl", "--output", tmp_path / "out.jsonl")
    status, said, told = run("--corpus", folder / "corpus.jsonl", *asked)
    assert (status, said) == (0, "")
    assert told.endswith(f"2 answers in {tmp_path / 'out.jsonl'}\n")
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [row["id"] for row in rows] == ["q0", "q1"]
    for row, answer in zip(rows, expected, strict=True):
        assert row["output"][0]["answer"] == answer.text
        found = [piece["passage_id"] for piece in row["output"][0]["provenance"]]
        assert found == [passage.id for passage in answer.passages]
    asked = [row | {"input": "who?"} for row in rows if row["output"][0]["answer"]]
    if asked:
        read_task(write_lines(tmp_path / "task.jsonl", asked))


def test_passages_that_others_found(files, run, tmp_path):
    folder, _, _ = files
    found = tmp_path / "run.trec"
    found.write_text("q0 Q0 3 1 9 x\nq0 Q0 1 2 8 x\n")
    asked = ("--input", folder / "questions.jsonl", "--output", tmp_path / "out.jsonl")
    for passages in ("--corpus", folder / "corpus.jsonl"), ("--store", folder / "s"):
        status, _, _ = run(*passages, "--retrieved", found, *asked)
        assert status == 0
        read, unread = map(json.loads, (tmp_path / "out.jsonl").read_text().splitlines())
        assert {p["passage_id"] for p in read["output"][0]["provenance"]} == {"1", "3"}
        assert unread["output"] == [{"answer": "", "provenance": []}]
    status, _, told = run("--store", folder / "s", "--retrieved", found)
    assert (status, told) == (
        1,
        "glimmer: error: `--retrieved` must come with `--input`. Received: no file of questions\n",
    )


def test_a_prompt_goes_on_after_an_error(files, run, monkeypatch):
    answer = gk.Reader.answer

    def failing(self, question, ids=None, where=None):
        if question == "bad":
            raise ValueError("no\nsuch")
        return answer(self, question, ids)

    monkeypatch.setattr(gk.Reader, "answer", failing)
    typed = f"{QUESTIONS[0]}\nbad\n{QUESTIONS[1]}\n\nnot asked\n"
    status, said, told = run("--store", files[0] / "s", "--json", typed=typed)
    assert status == 0
    for line, expected in zip(said.splitlines(), files[2], strict=True):
        check(line, expected)
    assert told == "glimmer: error: no such\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--store", "none"], "`path` must be a complete store"),
        (["--store", "{}/s", "--input", "{}/questions.jsonl"], "`--output` must be given together"),
        (["--store", "{}/s", "--ids", "1"], "`--ids` must come with `--question`"),
        (["--store", "{}/s", "-k", "1"], "at least 2, as many as the model selects"),
        (["--store", "{}/s", "--question", " "], "`question` must not be blank"),
        (["--store", "{}/s", "--question", "a", "--ids", "x"], "Received: 'x'"),
        (["--corpus", "{}/questions.jsonl"], "field `text`"),
    ],
)
def test_errors_are_one_line(files, run, arguments, message):
    status, said, told = run(*[part.format(files[0]) for part in arguments])
    assert (status, said) == (1, "")
    assert message in told
    assert told.count("\n") == 1


@pytest.mark.parametrize("name", ["model.weights.h5", "glimmer.safetensors"])
def test_weights_that_are_written_again_are_told_apart(tmp_path, name):
    assert weights_time(str(tmp_path)) is None
    (tmp_path / name).write_bytes(b"")
    assert weights_time(str(tmp_path)) == (tmp_path / name).stat().st_mtime_ns
