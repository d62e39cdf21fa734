import contextlib
import inspect
import shutil
import socket
import subprocess
import sys
import threading
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from tensorflow.core.protobuf import saved_model_pb2

import glimmer_keras as gk
from glimmer_keras.data import Passage
from glimmer_keras.memory.quantize import dequantize
from glimmer_keras.serving import export
from glimmer_keras.serving.description import DESCRIPTION, VERSION
from glimmer_keras.utils.manifest import read_manifest, write_manifest
from recipes.pretraining.tokenizer import train_tokenizer
from tests import EAGERLY

QUESTION, PASSAGE, ANSWER, PASSAGES, SELECTED, ROWS = 5, 6, 6, 4, 2, 5
WORDS = "who wrote fidelio beethoven the opera was first given in vienna a sonata moonlight"
CORPUS = [
    Passage(f"p{number}", word, f"{word} {other}")
    for number, (word, other) in enumerate(zip(WORDS.split(), reversed(WORDS.split()), strict=True))
]
CORPUS[3] = Passage('p3 "\n', "", "a first")


def make(system="glimmer", **overrides):
    """A tiny model whose weights are large enough for its answers to differ."""
    tokenizer = train_tokenizer([WORDS, *WORDS.split()] * 5, 40)
    settings = {
        "vocabulary_size": tokenizer.vocabulary_size(),
        "num_layers": 3,
        "num_decoder_layers": 1,
        "num_heads": 2,
        "hidden_dim": 8,
        "intermediate_dim": 16,
        "key_value_dim": 4,
        "dropout": 0.0,
    }
    if system == "glimmer":
        settings |= {
            "live_proportion": 2 / 3,
            "rerank_proportion": 1 / 2,
            "num_selected": SELECTED,
        }
    preprocessor = gk.GlimmerPreprocessor(tokenizer, QUESTION, PASSAGE, ANSWER, PASSAGES)
    backbone = gk.GlimmerBackbone.from_size("tiny", system, **settings | overrides)
    model = gk.Glimmer(backbone, preprocessor)
    rng = np.random.default_rng(3)
    for weight in model.weights:
        if len(weight.shape) > 1:
            weight.assign(rng.normal(size=weight.shape) * 1.5 * weight.shape[0] ** -0.5)
    head = backbone.token_embedding.reverse_embeddings
    head.assign(head * np.where(np.arange(head.shape[1]) == 1, 3, 1))  # answers end now and then
    model.compile(run_eagerly=EAGERLY)
    return model


@pytest.fixture(scope="session")
def make_model():
    return make


@pytest.fixture(scope="session")
def glimmer():
    keras.utils.set_random_seed(0)
    return make()


@pytest.fixture(scope="session")
def store(glimmer, tmp_path_factory):
    path = tmp_path_factory.mktemp("stores") / "store"
    return gk.pipelines.encode_corpus(glimmer, CORPUS, path, shard_size=4, progress=False)


@pytest.fixture(scope="session")
def version(glimmer, store, tmp_path_factory):
    """The one export that most tests look at."""
    return export(glimmer, tmp_path_factory.mktemp("serving") / "glimmer", store)


@pytest.fixture(scope="session")
def described(version):
    return read_manifest(version / "assets.extra", "an export", VERSION, name=DESCRIPTION)


@pytest.fixture
def described_as(version, described, tmp_path):
    """A version without a model, whose description says something else."""

    def described_as(**other):
        folder = tmp_path / "other/1"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(version / "assets.extra", folder / "assets.extra")
        write_manifest(folder / "assets.extra", described | other, VERSION, DESCRIPTION)
        return folder

    return described_as


@pytest.fixture(scope="session")
def graph(version):
    saved = saved_model_pb2.SavedModel.FromString((version / "saved_model.pb").read_bytes())
    return saved.meta_graphs[0]


@pytest.fixture(scope="session")
def tokens():
    """Model inputs for `ROWS` questions; some passages are short and one is missing."""
    rng = np.random.default_rng(5)
    question = np.arange(QUESTION) < rng.integers(1, QUESTION + 1, ROWS)[:, None]
    lengths = rng.integers(1, PASSAGE + 1, (ROWS, PASSAGES))
    lengths[2, 3] = 0
    passage = np.arange(PASSAGE) < lengths[..., None]
    return {
        "question_token_ids": rng.integers(3, 30, question.shape, "int32") * question,
        "question_padding_mask": question,
        "passage_token_ids": rng.integers(3, 30, passage.shape, "int32") * passage,
        "passage_padding_mask": passage,
    }


@pytest.fixture(scope="session")
def requests(glimmer, store, tokens):
    """A request for each signature, and some more for it after a dot."""
    question = {name: value for name, value in tokens.items() if name.startswith("question")}
    mask = {"passage_padding_mask": tokens["passage_padding_mask"]}
    rng = np.random.default_rng(6)
    rows = rng.integers(0, len(store), (ROWS, PASSAGES), "int32")
    rows[1, 2] = -1
    memory = glimmer.backbone.encode_memory(
        tokens["passage_token_ids"], tokens["passage_padding_mask"]
    )
    memory = keras.ops.convert_to_numpy(memory)
    values = rng.integers(-127, 128, memory.shape, "int8")
    scales = rng.uniform(0.005, 0.02, memory.shape[:-1]).astype("float32")
    floats = question | mask | {"passage_memory": memory}
    int8 = question | mask | {"passage_memory": values, "passage_memory_scales": scales}
    unknown = [np.where(rows == -1, row, rows) for row in (-2, len(store))]
    return {
        "answer": floats,
        "answer.dequantized": floats | {"passage_memory": dequantize(values, scales)},
        "answer_int8": int8,
        "answer_from_tokens": tokens,
        "answer_from_ids": question | {"passage_rows": rows},
        "answer_from_ids.low": question | {"passage_rows": unknown[0]},
        "answer_from_ids.high": question | {"passage_rows": unknown[1]},
        "encode_memory": {
            "passage_token_ids": tokens["passage_token_ids"][:, 0],
            "passage_padding_mask": tokens["passage_padding_mask"][:, 0],
        },
        "rerank": floats,
        "rerank_int8": int8,
    }


def run_requests(model, folder):
    """Answer the requests in the files `SIGNATURE.CASE.npz` of a folder, by TensorFlow alone."""
    import sys
    from pathlib import Path

    import numpy as np
    import tensorflow as tf

    # What is asked once is not worth optimising; the program in C does it.
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    loaded = tf.saved_model.load(model)
    for path in Path(folder).glob("*.npz"):
        with np.load(path) as file:
            inputs = {name: tf.constant(file[name]) for name in file.files}
        try:
            reply = loaded.signatures[path.stem.partition(".")[0]](**inputs)
        except tf.errors.InvalidArgumentError as error:
            reply = {"error": str(error)}
        np.savez(path.with_suffix(".reply"), **reply)
    return {"glimmer_keras", "keras_hub", "tensorflow_text"} & set(sys.modules)


@pytest.fixture(scope="session")
def replies(version, requests, tmp_path_factory):
    """What the exported model says to `requests`, in a process with nothing but TensorFlow."""
    folder = tmp_path_factory.mktemp("requests")
    for name, inputs in requests.items():
        np.savez(folder / f"{name}.npz", **inputs)
    if keras.backend.backend() == "tensorflow":
        source = (
            f"{inspect.getsource(run_requests)}\nassert not run_requests{str(version), str(folder)}"
        )
        command = [sys.executable, "-c", source]
        child = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
        assert child.returncode == 0, child.stderr
    else:
        run_requests(str(version), str(folder))
    found = {}
    for name in requests:
        with np.load(folder / f"{name}.reply.npz") as reply:
            found[name] = dict(reply)
    return found


@pytest.fixture(scope="session")
def served(version):
    """The exported model in this process."""
    from glimmer_keras.serving.server.served_model import ServedModel

    return ServedModel(version, "glimmer", max_batch=8, max_requests=4)


@pytest.fixture(scope="session")
def app(served, version):
    """What `glimmer serve --page` answers."""
    pytest.importorskip("starlette")
    from glimmer_keras.serving.server.app import make_app
    from glimmer_keras.serving.server.page import Page

    page = Page(served, version)
    return make_app(served, 2**20, page.html, page.ask)


@contextlib.contextmanager
def listening(app, host="127.0.0.1"):
    """Lets an application answer by uvicorn in a thread; gives the URL."""
    from glimmer_keras.serving.server.hosts import with_port
    from glimmer_keras.serving.server.serve import make_server

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as listener:
        server = make_server(app)
        thread = threading.Thread(target=server.run, args=[[listener]])
        thread.start()
        yield f"http://{with_port(host, listener.getsockname()[1])}"
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="session")
def listen():
    pytest.importorskip("uvicorn")
    return listening


@pytest.fixture(scope="session")
def rest(app, listen):
    """URL of a server of `version` in this process."""
    with listen(app) as url:
        yield url


@pytest.fixture(scope="session")
def server(served, rest):
    """gRPC and REST addresses of servers of `version` in this process."""
    pytest.importorskip("grpc")
    pytest.importorskip("tensorflow_serving")
    from tests.serving.grpc_server import make_grpc_server

    server, port = make_grpc_server(served, "localhost:0", 2**20, 4)
    server.start()
    yield SimpleNamespace(grpc=f"localhost:{port}", rest=rest)
    server.stop(None).wait()
