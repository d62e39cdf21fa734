import time

import numpy as np

from recipes.benchmarks.parts.load import Load, Request, differing

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
