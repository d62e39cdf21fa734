import json
import shutil
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import pytest

import glimmer_keras as gk
from glimmer_keras.data import Corpus, Passage
from glimmer_keras.pipelines import bm25_index
from glimmer_keras.serving import Client, retries
from glimmer_keras.serving.retries import Busy, with_retries

QUESTIONS = ["who wrote fidelio", "opera", "the moonlight sonata was first given in vienna"]


@pytest.fixture(scope="module")
def corpus(store):
    return Corpus([Passage(p.id, p.title, p.text) for p in store.iter_passages()])


@pytest.fixture(scope="module")
def index(store):
    return bm25_index(store, progress=False)


@pytest.fixture(scope="module")
def expected(glimmer, store, index):
    return gk.Reader(glimmer, store, index, num_passages=4).answer(QUESTIONS)


def check(answers, expected, atol=1e-4):
    for answer, other in zip(answers, expected, strict=True):
        assert (answer.question, answer.text) == (other.question, other.text)
        assert [p.id for p in answer.passages] == [p.id for p in other.passages]
        for passage, wanted in zip(answer.passages, other.passages, strict=True):
            assert passage.content == wanted.content
            assert passage.selected == wanted.selected
            assert passage.retrieval_rank == wanted.retrieval_rank
            np.testing.assert_allclose(passage.score, wanted.score, atol=atol)
            np.testing.assert_allclose(passage.retrieval_score, wanted.retrieval_score)


@pytest.mark.parametrize("way", ["grpc", "rest"])
@pytest.mark.parametrize("source", ["table", "store"])
def test_answers_are_those_of_a_reader(server, version, store, index, expected, way, source):
    memory = store if source == "store" else None
    with Client(getattr(server, way), version.parent, memory, index, batch_size=2) as client:
        assert client.signature == {"table": "answer_from_ids", "store": "answer_int8"}[source]
        check(client.answer(QUESTIONS), expected)
        check([client.answer(QUESTIONS[1])], expected[1:2])


def test_passages_sent_as_text(server, version, glimmer, corpus, index):
    reader = gk.Reader(glimmer, corpus=corpus, retriever=index, num_passages=4)
    with Client(server.grpc, version, None, index, corpus=corpus) as client:
        assert client.signature == "answer_from_tokens"
        check(client.answer(QUESTIONS), reader.answer(QUESTIONS))


def test_passages_themselves_are_sent_as_text(server, version, glimmer, corpus):
    passages = [[Passage("new", "", "the opera fidelio"), corpus[0]], [corpus[5]]]
    expected = gk.Reader(glimmer, corpus=corpus, num_passages=4).ask(
        QUESTIONS[:2], passages=passages
    )
    with Client(server.rest, version) as client:
        answers = client.ask(QUESTIONS[:2], passages=passages)
    for answer, other in zip(answers, expected, strict=True):
        assert (answer.question, answer.text) == (other.question, other.text)
        assert [(p.id, p.selected) for p in answer.passages] == [
            (p.id, p.selected) for p in other.passages
        ]


def test_memory_that_is_not_int8(server, version, glimmer, corpus, index, tmp_path):
    memory = gk.pipelines.encode_corpus(
        glimmer, corpus, tmp_path / "store", "float32", progress=False
    )
    with (
        Client(server.grpc, version, memory, index) as client,
        Client(server.grpc, version, None, index, corpus=corpus) as encoding,
    ):
        assert client.signature == "answer"
        check(client.answer(QUESTIONS), encoding.answer(QUESTIONS))


def test_passages_by_id(server, version, glimmer, store):
    ids = ["p1", 'p3 "\n']
    answer = gk.Reader(glimmer, store, num_passages=4).answer("opera", ids)
    with Client(server.grpc, version) as client:
        found = client.answer("opera", ids)
        assert found.text == answer.text
        assert [p.id for p in found.passages] == [p.id for p in answer.passages]
        for asked, said in (
            (("opera", ["p99"]), "p99"),
            (("opera", None), "`passage_ids` must be given where there is no retriever"),
            ((" ", ids), "must not be blank"),
            (("opera", ["p1"] * 5), "at most num_passages=4"),
            ((["opera"], [ids, ids]), "2 for 1 questions"),
        ):
            with pytest.raises((ValueError, KeyError), match=said):
                client.answer(*asked)


def test_a_copy_of_the_assets_is_enough(server, version, index, expected, tmp_path):
    shutil.copytree(version / "assets.extra", tmp_path / "copy")
    with Client(server.rest, tmp_path / "copy", None, index, model="glimmer") as client:
        check(client.answer(QUESTIONS), expected)


@pytest.mark.parametrize("way", ["grpc", "rest"])
def test_what_the_server_refuses(server, version, way):
    with (
        Client(getattr(server, way), version, model="gleam") as client,
        pytest.raises(ValueError, match="404|NOT_FOUND.*Servable not found.*gleam"),
    ):
        client.answer("opera", ["p1"])


def test_another_version_is_not_asked(server, version, tmp_path):
    shutil.copytree(version / "assets.extra", tmp_path / "glimmer/2/assets.extra")
    with (
        Client(server.grpc, tmp_path / "glimmer") as client,
        pytest.raises(ValueError, match="version 2"),
    ):
        client.answer("opera", ["p1"])


@pytest.mark.parametrize("scheme", ["", "http://"])
def test_no_server(version, monkeypatch, scheme):
    pytest.importorskip("tensorflow_serving")
    monkeypatch.setattr(retries, "FIRST_WAIT", 0.001)
    with (
        Client(f"{scheme}127.0.0.1:1", version, retries=2) as client,
        pytest.raises(ConnectionError, match="after 3 tries"),
    ):
        client.answer("opera", ["p1"])


def test_a_busy_server_is_asked_again(version, monkeypatch):
    monkeypatch.setattr(retries, "FIRST_WAIT", 0.001)
    codes = [503, 429, 200]
    outputs = {"answer_token_ids": [[1, 0]], "answer_lengths": [1]}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(codes.pop(0))
            self.end_headers()
            self.wfile.write(json.dumps({"outputs": outputs}).encode())

        def log_message(self, *args):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=lambda: [server.handle_request() for _ in range(3)])
        thread.start()
        with Client(f"http://127.0.0.1:{server.server_port}", version) as client:
            assert client.answer("opera", ["p1"]).text == ""
        thread.join()
    assert codes == []


def test_waits_double_and_end_at_the_deadline(monkeypatch):
    waits, now = [], [0.0]
    monkeypatch.setattr(retries.random, "uniform", lambda low, high: high)
    monkeypatch.setattr(retries.time, "monotonic", lambda: now[0])

    def sleep(seconds):
        waits.append(round(seconds, 6))
        now[0] += seconds

    def busy(seconds):
        raise Busy("not now")

    monkeypatch.setattr(retries.time, "sleep", sleep)
    with pytest.raises(ConnectionError, match="u: not now, after 5 tries"):
        with_retries(busy, "u", 100.0, 4)
    assert waits == [0.1, 0.2, 0.4, 0.8]
    with pytest.raises(ConnectionError, match="after 2 tries"):
        with_retries(busy, "u", 0.25, 4)


def test_what_does_not_fit(version, store, corpus, described, described_as, tmp_path):
    other = tmp_path / "vocabulary"
    shutil.copytree(version / "assets.extra", other)
    (other / "vocabulary.spm").write_bytes(b"another")
    no_table = tmp_path / "bare"
    described_as(table=None).rename(no_table)
    foreign = described_as(fingerprint=described["fingerprint"] | {"memory_encoder": "0"})
    for error, said, arguments, options in (
        (ValueError, "the tokenizer is not that of the model", (other,), {}),
        (ValueError, "`store` or `corpus` must be given", (no_table / "assets.extra",), {}),
        (ValueError, "the memory must be made with memory_encoder", (foreign, store), {}),
        (ValueError, "At most one of", (version, store), {"corpus": corpus}),
        (ValueError, "`retriever` must be over the 14 passages", (version, None, [1, 2]), {}),
        (ValueError, "`batch_size` must be at least 1", (version,), {"batch_size": 0}),
        (ValueError, "`deadline` must be positive", (version,), {"deadline": 0}),
        (ValueError, "`retries` must be at least 0", (version,), {"retries": -1}),
        (FileNotFoundError, "`export` must be what", (tmp_path / "none",), {}),
    ):
        with pytest.raises(error, match=said):
            Client("http://127.0.0.1:1", *arguments, **options)
    with pytest.raises(ValueError, match="`url` must be host:port"):
        Client("localhost", version)


def test_without_the_extra(version, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_serving", None)
    with pytest.raises(ImportError, match=r"pip install glimmer_keras\[serving\]"):
        Client("localhost:1", version)
    Client("http://localhost:1", version).close()
