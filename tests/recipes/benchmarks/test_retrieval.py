import json

import keras
import numpy as np
import pytest

from glimmer_keras.models import TextEmbedder
from glimmer_keras.pipelines import TextVectors
from recipes.benchmarks import retrieval
from tests.models.test_bert_encoder import write_folder

TEXTS = ["fidelio", "café", "who wrote", "sep", "wrote"]
# A question, and its gold passages.
ASKED = {"one": [("wrote", [2]), ("fidelio", [0, 3])], "two": [("café wrote", [4])]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("kilt")
    rows = [{"id": str(n), "text": text} for n, text in enumerate(TEXTS)]
    (path / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for name, questions in ASKED.items():
        lines = [
            {"id": str(n), "input": question}
            | {"output": [{"answer": "x", "provenance": [{"passage_id": str(g)}]} for g in gold]}
            for n, (question, gold) in enumerate(questions)
        ]
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (path / f"{name}-dev.jsonl").write_text(text)
    return path


def test_shares_are_those_of_the_vectors(folder, tmp_path):
    bert = write_folder(tmp_path, "bert")
    output = tmp_path / "bench"
    arguments = ["--data", str(folder), "--embedder", str(bert), "--output", str(output)]
    success = retrieval.main(arguments)["success"]
    # "wrote" is all of passage 4, and half of 2; of "café wrote" a word is in each of 1, 2 and 4.
    assert success["BM25"]["one"] == [50.0, 100.0, 100.0, 100.0, 100.0]
    encode = TextVectors(TextEmbedder.from_hugging_face(bert))
    passages = encode(TEXTS)
    shares = {}
    for name, questions in ASKED.items():
        hits = []
        for question, gold in questions:
            order = np.argsort(-(encode([question]) @ passages.T)[0])
            best = min(order.tolist().index(row) for row in gold)
            hits.append([100 * (best < depth) for depth in retrieval.DEPTHS])
        shares[name] = np.mean(hits, axis=0).tolist()
    assert {name: success["dense"][name] for name in ASKED} == shares
    assert success["dense"]["mean"] == np.mean(list(shares.values()), axis=0).tolist()
    written = json.loads((output / f"retrieval-{keras.backend.backend()}.json").read_text())
    assert written["success"] == success
