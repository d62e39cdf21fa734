import json
import os
import time

import keras
import numpy as np
import pytest

pytest.importorskip("grpc")
pytest.importorskip("tensorflow_serving")

from _load import Load, Request, differing
from _served import Served
from _serving_parts import lengths
from benchmark_serving import main, parse

from glimmer_keras.models.sizes import T5_SIZES

SMALL = {"num_layers": 3, "num_heads": 2, "hidden_dim": 8, "intermediate_dim": 12}
SMALL |= {"key_value_dim": 3, "vocabulary_size": 600}
OPTIONS = ["--size", "tiny", "--k", "4", "--m", "2", "--question-length", "4"]
OPTIONS += ["--passage-length", "16", "--answer-length", "3", "--passages", "6", "--repeats", "3"]
OPTIONS += ["--requests", "40", "--clients", "3", "--questions", "8"]
INPUTS = {"answer": {"rows": np.arange(5)}}
EXPECTED = {"answer": {"ids": np.arange(10).reshape(5, 2), "log": np.linspace(0, 1, 5)}}


def right(signature, inputs):
    return {name: value[inputs["rows"]] for name, value in EXPECTED[signature].items()}


def requests(*batches, client=0):
    return [Request(client, "answer", np.array(batch)) for batch in batches]


def test_replies_are_compared_row_by_row():
    load = Load([right], INPUTS, EXPECTED)
    load.run(requests([1, 1, 4], [3]))
    assert load.outcomes == {"right": 2, "wrong": 0, "lost": 0, "refused": 0}
    another = Load([lambda signature, inputs: right(signature, {"rows": [0]})], INPUTS, EXPECTED)
    another.run(requests([0], [1]))
    assert (another.outcomes["right"], another.outcomes["wrong"]) == (1, 1)
    assert another.problems == ["answer: ['ids', 'log']"]


def test_refused_requests_are_sent_again_and_broken_ones_are_lost(monkeypatch):
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    errors = [ConnectionError(), ConnectionError(), None, TimeoutError("late"), None]

    def failing(signature, inputs):
        if error := errors.pop(0):
            raise error
        return right(signature, inputs)

    def busy(signature, inputs):
        raise ConnectionError

    load = Load([failing, busy], INPUTS, EXPECTED)
    load.run(requests([0], [1], [2]))
    assert load.outcomes == {"right": 2, "wrong": 0, "lost": 1, "refused": 2}
    assert load.problems == ["answer: TimeoutError: late"]
    load.run(requests([0], client=1))
    assert load.outcomes["lost"] == 2


def test_clients_ask_at_once_each_its_own():
    asked = {0: [], 1: []}

    def client(number):
        def ask(signature, inputs):
            asked[number].append(inputs["rows"].tolist())
            while not asked[1 - number]:
                time.sleep(0.001)
            return right(signature, inputs)

        return ask

    load = Load([client(0), client(1)], INPUTS, EXPECTED)
    load.run(requests([0], [1]) + requests([2], client=1))
    assert asked == {0: [[0], [1]], 1: [[2]]}
    assert len(load.seconds) == 3
    assert load.outcomes["right"] == 3


def test_differing():
    expected = {"ids": np.array([[1, 2]]), "log": np.array([0.5])}
    assert differing(expected, expected) == []
    assert differing({"ids": expected["ids"], "log": np.array([0.5009])}, expected) == []
    assert differing({"ids": expected["ids"], "log": np.array([0.502])}, expected) == ["log"]
    assert differing({"ids": np.array([[1, 3]]), "log": np.array([0.5])}, expected) == ["ids"]
    assert differing({"ids": np.array([[1]]), "more": np.array([1])}, expected) == [
        "ids",
        "log",
        "more",
    ]


def test_memory_of_a_process():
    served = Served("glimmer", "", "", os.getpid())
    before, held = served.megabytes(), np.ones(2**25, "uint8")
    del held
    on_the_way, after = served.megabytes(), served.megabytes()
    assert on_the_way["greatest"] > before["now"] + 30
    assert 10 < after["now"] <= after["greatest"] < on_the_way["greatest"]


def test_lengths_and_what_does_not_fit(capsys):
    assert lengths("latency", parse([])) == (48, 304, 16)
    assert lengths("load", parse([])) == (16, 64, 8)
    assert lengths("load", parse(OPTIONS)) == (4, 12, 3)
    with pytest.raises(SystemExit):
        parse(["--m", "26"])
    assert "--k must be from --m to --passages" in capsys.readouterr().err


@pytest.mark.slow
def test_the_whole_of_it(tmp_path, monkeypatch):
    monkeypatch.setitem(T5_SIZES, "tiny", SMALL)
    report = main([*OPTIONS, "--output", str(tmp_path)])
    written = tmp_path / f"serving-{keras.backend.backend()}.json"
    assert json.loads(written.read_text(encoding="utf-8")) == json.loads(json.dumps(report))
    found = report["latency"]
    assert 1 <= found["steps"] <= 3
    assert set(found["signatures"]) == {"answer", "answer_int8", "answer_from_ids"}
    for timed in found["signatures"].values():
        assert 0 < timed["inside"]["p50"] < timed["client"]["p50"] <= timed["client"]["p95"]
        assert timed["times_generate"]["measured"] > 0
    found = report["load"]
    assert found["outcomes"] == {"right": 40, "wrong": 0, "lost": 0, "refused": 0}
    assert found["problems"] == []
    assert list(found["megabytes"]) == [0, 2, 10, 20, 30, 40]
    for kind, growth in found["growth"].items():
        assert growth == found["megabytes"][40][kind] / found["megabytes"][10][kind] - 1
