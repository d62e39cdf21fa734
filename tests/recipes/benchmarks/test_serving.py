import contextlib
import functools

import pytest

from recipes.benchmarks import serving
from recipes.benchmarks.parts.serving import ASKED, WITHOUT_MEMORY, draw_requests, lengths

SIZE = {"num_layers": 3, "num_heads": 2, "hidden_dim": 8, "intermediate_dim": 12}
SIZE |= {"key_value_dim": 3, "vocabulary_size": 600}
OPTIONS = ["--size", "tiny", "--k", "4", "--m", "2", "--question-length", "4"]
OPTIONS += ["--passage-length", "16", "--answer-length", "3", "--passages", "6", "--repeats", "3"]
OPTIONS += ["--requests", "40", "--clients", "3", "--questions", "8"]

pytest.importorskip("grpc")
pytest.importorskip("tensorflow_serving")


def test_lengths_and_what_does_not_fit(capsys):
    assert lengths("latency", serving.parse([])) == (48, 304, 16)
    assert lengths("load", serving.parse([])) == (16, 64, 8)
    assert lengths("load", serving.parse(OPTIONS)) == (4, 12, 3)
    with pytest.raises(SystemExit):
        serving.parse(["--m", "26"])
    assert "--k must be from --m to --passages" in capsys.readouterr().err


def test_memory_is_sent_by_one_client_alone():
    requests = draw_requests(serving.parse([*OPTIONS, "--requests", "100"]))
    assert len(requests) == 100
    assert all(1 <= len(request.rows) <= 8 and max(request.rows) < 8 for request in requests)
    asked = [{r.signature for r in requests if r.client == client} for client in range(3)]
    assert asked == [set(WITHOUT_MEMORY), set(WITHOUT_MEMORY), set(ASKED)]


@pytest.fixture
def one_server(monkeypatch):
    """One model and one server for both parts, which here are of the same size."""
    build, serve, built = serving.build, serving.serving, []

    def build_once(*arguments):
        built[:] = built or [build(*arguments)]
        return built[0]

    with contextlib.ExitStack() as stack:
        start = functools.cache(lambda directory: stack.enter_context(serve(directory)))
        monkeypatch.setattr(serving, "build", build_once)
        monkeypatch.setattr(
            serving, "serving", lambda directory: contextlib.nullcontext(start(directory))
        )
        yield


@pytest.mark.slow  # a model is exported and served
def test_the_whole_of_it(run, one_server):
    report = run(serving, OPTIONS, SIZE)
    timing = report["latency"]
    assert 1 <= timing["steps"] <= 3
    (timed,) = timing["signatures"].values()
    assert 0 < timed["client"]["p50"] <= timed["client"]["p95"]
    assert timed["times_generate"]["measured"] > 1
    load = report["load"]
    assert load["outcomes"] == {"right": 40, "wrong": 0, "lost": 0, "refused": 0}
    assert load["problems"] == []
    assert list(load["megabytes"]) == [0, 2, 10, 20, 30, 40]
    for kind, growth in load["growth"].items():
        assert growth == load["megabytes"][40][kind] / load["megabytes"][10][kind] - 1
