"""A model that reads all passages, exported with bfloat16 memory and with strings."""

import keras
import numpy as np
import pytest

import glimmer_keras as gk
from glimmer_keras.data import Corpus, Passage
from glimmer_keras.serving import Client, export

grpc = pytest.importorskip("grpc")
pytest.importorskip("tensorflow_serving")

from glimmer_keras.serving.grpc_transport import GrpcTransport  # noqa: E402
from glimmer_keras.serving.server.served_model import ServedModel  # noqa: E402
from tests.serving.grpc_server import make_grpc_server  # noqa: E402

QUESTIONS = ["who wrote fidelio", "opera", "the moonlight sonata was first given in vienna"]
IDS = [["p1", "p2", 'p3 "\n', "p4"], ["p5", "p0"], ["p9"]]


@pytest.fixture(scope="module")
def lumen(make_model):
    keras.utils.set_random_seed(0)
    model = make_model("lumen", num_layers=2, live_proportion=1 / 2)
    head = model.backbone.token_embedding.reverse_embeddings
    head.assign(head * np.where(np.arange(head.shape[1]) == 1, 1 / 3, 1))  # answers go on
    return model


@pytest.fixture(scope="module")
def passages(store):
    return [Passage(p.id, p.title, p.text) for p in store.iter_passages()]


@pytest.fixture(scope="module")
def memory(lumen, passages, tmp_path_factory):
    path = tmp_path_factory.mktemp("stores") / "lumen"
    return gk.pipelines.encode_corpus(lumen, passages, path, "bfloat16", progress=False)


@pytest.fixture(scope="module")
def exported(lumen, tmp_path_factory):
    path = tmp_path_factory.mktemp("serving") / "lumen"
    return export(lumen, path, memory_dtype="bfloat16", text=True)


@pytest.fixture(scope="module")
def serve():
    """Serves a version in this process; gives the address."""
    servers = []

    def serve(version):
        model = ServedModel(version, version.parent.name, 8, 4)
        server, port = make_grpc_server(model, "localhost:0", 2**20, 8)
        server.start()
        servers.append(server)
        return f"localhost:{port}"

    yield serve
    for server in servers:
        server.stop(None).wait()


@pytest.fixture(scope="module")
def address(serve, exported):
    return serve(exported)


def test_answers_have_no_scores(lumen, memory, exported, address):
    expected = gk.Reader(lumen, memory, num_passages=4).answer(QUESTIONS, IDS)
    with Client(address, exported, memory) as client:
        assert client.signature == "answer"
        assert client.answer(QUESTIONS, IDS) == expected
    assert [[p.id for p in answer.selected] for answer in expected] == IDS
    assert {p.score for answer in expected for p in answer.passages} == {None}
    assert len({answer.text for answer in expected}) > 1


def test_nothing_ranks(exported, address):
    transport = GrpcTransport(address, "lumen", 1, 20, 0)
    with pytest.raises(ValueError, match='Serving signature key "rerank" not found'):
        transport.predict("rerank", {"x": np.zeros((1, 1))})
    transport.close()


def test_strings_are_answered_as_their_tokens(passages, exported, address, serve):
    corpus = Corpus(passages)
    with Client(address, exported, corpus=corpus) as client:
        expected = [answer.text for answer in client.answer(QUESTIONS, IDS)]
    rows = [[corpus[corpus.row(i)].content for i in row] for row in IDS]
    asked = {"questions": QUESTIONS, "passages": [row + [""] * (4 - len(row)) for row in rows]}
    version = exported.parent.with_name("lumen-text") / exported.name
    transport = GrpcTransport(serve(version), "lumen-text", 1, 20, 0)
    reply = transport.predict(
        "answer_from_text", {name: np.array(value, object) for name, value in asked.items()}
    )
    transport.close()
    assert [text.decode() for text in reply["answers"]] == expected
    assert "passage_scores" not in reply
