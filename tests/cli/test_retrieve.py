import json

import keras_hub
import numpy as np
import pytest

from glimmer_keras.data import read_corpus, read_retrieved, read_task
from glimmer_keras.models import T5Encoder, TextEmbedder
from glimmer_keras.models.presets import bundled_vocabulary
from glimmer_keras.pipelines import TextVectors


@pytest.fixture
def tasks(tmp_path):
    """Files of questions, the second without answers."""
    rows = [{"id": str(n), "input": q} for n, q in enumerate(["Torvik camp", "the harp", "1863"])]
    answered = [{**row, "output": [{"answer": "x"}]} for row in rows]
    paths = []
    for name, records in (("qa-train", answered), ("qa-test", rows[:2])):
        paths.append(tmp_path / f"{name}.jsonl")
        paths[-1].write_text("".join(json.dumps(record) + "\n" for record in records))
    return paths


def test_tasks_are_retrieved_once(glimmer, corpus, tasks, tmp_path):
    output, k = tmp_path / "found", ("-k", 4)
    status, out, _ = glimmer("retrieve", corpus(3, 16), *tasks, "--output", output, *k)
    assert status == 0
    assert out == (
        f"{output / 'qa-train'}: 3 questions, 4 passages each\n"
        f"{output / 'qa-test'}: 2 questions, 4 passages each\n"
    )
    passages = read_corpus(corpus(3, 16))
    task = read_retrieved(output / "qa-train", read_task(tasks[0]), passages)
    assert "Torvik" in passages[task.retrieved[0, 0]].text
    assert "harp" in passages[task.retrieved[1, 0]].text
    manifest = json.loads((output / "qa-train" / "manifest.json").read_text())
    assert manifest["settings"] == {"name": "bm25", "k1": 0.9, "b": 0.4}
    written = (output / "qa-train" / "rows.npy").stat().st_mtime_ns
    again = glimmer("retrieve", corpus(3, 16), *tasks, "--output", output, *k)
    assert again == (0, out, "")
    assert (output / "qa-train" / "rows.npy").stat().st_mtime_ns == written
    status, out, err = glimmer("retrieve", corpus(3, 16), *tasks, "--output", output)
    assert (status, out) == (1, "")
    assert "has num_passages 4. Received: 100" in err


def test_a_corpus_on_disk_and_an_index_elsewhere(glimmer, corpus, tasks, tmp_path):
    glimmer("corpus", corpus(3, 16), tmp_path / "c")
    options = ("-k", 20, "--output")
    status, _, _ = glimmer(
        "retrieve", tmp_path / "c", tasks[1], *options, tmp_path / "a", "--index", tmp_path / "i"
    )
    assert status == 0
    assert (tmp_path / "i" / "manifest.json").is_file()
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["qa-test", "qa-test.jsonl"]
    glimmer("retrieve", corpus(3, 16), tasks[1], *options, tmp_path / "b")
    one, other = (np.load(tmp_path / name / "qa-test" / "rows.npy") for name in "ab")
    np.testing.assert_array_equal(one, other)
    # There are 13 passages.
    assert (one[:, 13:] == -1).all()
    assert one[0, :13].min() == 0


@pytest.mark.parametrize(
    ("broken", "line"),
    [
        ({"tasks": ["none.jsonl"]}, "`path` must be an existing file. Received: path='none.jsonl'"),
        ({"tasks": ["a/x.jsonl", "b/x.gz"]}, "files of different names. Received: ['x', 'x']"),
        ({"options": ["-k", "0"]}, "`--num-passages` must be at least 1. Received: 0"),
    ],
)
def test_errors_are_one_line(glimmer, corpus, tasks, tmp_path, broken, line):
    status, out, err = glimmer(
        "retrieve",
        corpus(3, 16),
        *broken.get("tasks", tasks),
        "--output",
        tmp_path / "o",
        *broken.get("options", []),
    )
    assert (status, out) == (1, "")
    assert err.startswith("glimmer: error: ")
    assert line in err
    assert err.count("\n") == 1
    assert not (tmp_path / "o").exists()


def test_by_vectors_of_an_embedder(glimmer, corpus, tasks, tmp_path):
    tokenizer = keras_hub.models.T5Tokenizer(bundled_vocabulary("tiny_world").read_bytes())
    encoder = T5Encoder(tokenizer.vocabulary_size(), 1, 2, 8, 8, 4)
    embedder = TextEmbedder(encoder, keras_hub.models.T5Preprocessor(tokenizer, 24))
    embedder.save_to_preset(str(tmp_path / "embedder"))
    passages, output = read_corpus(corpus(3, 16)), tmp_path / "found"
    said = glimmer(
        *("retrieve", corpus(3, 16), tasks[1], "-k", 4, "--output", output),
        *("--embedder", tmp_path / "embedder"),
    )
    assert said[:2] == (0, f"{output / 'qa-test'}: 2 questions, 4 passages each\n")
    found = read_retrieved(output / "qa-test", read_task(tasks[1], unanswered="keep"), passages)
    questions = [example.question for example in found]
    # The same vectors by a road of its own, in float16 as they are kept.
    embedded = TextVectors(embedder)
    vectors = embedded([passage.content for passage in passages]).astype("float16")
    products = embedded(questions) @ vectors.astype("float32").T
    np.testing.assert_array_equal(found.retrieved, np.argsort(-products, kind="stable")[:, :4])
    manifest = json.loads((output / "qa-test" / "manifest.json").read_text())
    assert manifest["settings"]["search"] == "exact"


def test_faiss_is_of_vectors(glimmer, corpus, tasks, tmp_path):
    options = ("--output", tmp_path / "a", "--faiss", "HNSW32")
    status, _, err = glimmer("retrieve", corpus(3, 16), tasks[1], *options)
    assert status == 1
    assert "`--faiss` must go with `--embedder`" in err
