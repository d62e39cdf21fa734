"""The page of `glimmer serve --page`, also in a headless Chromium, which takes a picture of it."""

import html
import re
import shutil
import subprocess
import urllib.parse
from dataclasses import asdict

import pytest

from glimmer_keras.retrieval import BM25Retriever
from glimmer_keras.serving import Client
from glimmer_keras.serving.exported import Exported
from glimmer_keras.serving.server.page import Page

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--virtual-time-budget=10000",
]

pytest.importorskip("starlette")

from starlette.testclient import TestClient  # noqa: E402


def test_the_page_asks_and_is_shut_in(app):
    with TestClient(app, base_url="http://localhost") as client:
        shown = client.get("/?q=a")
        assert shown.headers["Content-Type"] == "text/html; charset=utf-8"
        assert shown.headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert shown.headers["Referrer-Policy"] == "no-referrer"
        assert not re.search(r"https?://|innerHTML|\bsrc=", shown.text)
        for body in ({}, {"question": " "}, {"question": "a" * 2001}, []):
            assert client.post("/ask", json=body).status_code == 400
        typed = client.post(
            "/ask", content='{"question": "a"}', headers={"Content-Type": "text/plain"}
        )
        assert typed.status_code == 400
        assert client.get("/ask").status_code == 404


def test_its_answer_is_that_of_a_client(app, server, version):
    question = "who wrote fidelio"
    with TestClient(app, base_url="http://localhost") as client:
        response = client.post("/ask", json={"question": question})
    assert response.status_code == 200
    reply = response.json()
    retriever = BM25Retriever.build(Exported(version).table())
    with Client(server.rest, version, retriever=retriever) as client:
        answer = client.answer(question)
    assert (reply["question"], reply["answer"]) == (question, answer.text)
    assert len(reply["passages"]) == 4
    assert sum(passage["selected"] for passage in reply["passages"]) == 2
    for shown, passage in zip(reply["passages"], answer.passages, strict=True):
        expected = asdict(passage)
        assert (shown.pop("fields"), expected.pop("fields")) == ({}, ())
        assert shown == pytest.approx(expected, abs=1e-4)
    assert reply["log_probability"] < 0
    assert set(reply["milliseconds"]) == {
        "retrieve",
        "tokenize",
        "read, rerank and answer",
        "detokenize",
    }


def test_a_model_without_a_table_has_no_page(served, described_as):
    with pytest.raises(ValueError, match="`--page` must have a model that was exported with a st"):
        Page(served, described_as(table=None))


@pytest.fixture
def browse(rest, tmp_path):
    def browse(question, *flags):
        url = f"{rest}/?{urllib.parse.urlencode({'q': question})}"
        profile = f"--user-data-dir={tmp_path / 'profile'}"
        command = [CHROMIUM, *FLAGS, profile, *flags, url]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=90, check=True
        ).stdout

    return browse


def by_id(page, name):
    """What is inside of the element with an id, in HTML."""
    return re.search(rf'<(\w+)[^>]* id="{name}".*?>(.*?)</\1>', page, re.DOTALL)[2]


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
def test_a_question_in_the_address_is_answered(browse, tmp_path):
    page = browse("who wrote fidelio", "--dump-dom")
    assert re.search(r'<main id="result" aria-live="polite">', page)  # not hidden any more
    assert by_id(page, "answer")
    assert re.search(r"retrieve \d+\.\d ms · tokenize \d+\.\d ms · read, rerank and answer", page)
    for name in ("before", "after"):
        lines = re.findall(
            r'<li(?: class="(.*?)")?>.*?<span class="score">(.*?)</span>', by_id(page, name)
        )
        assert len(lines) == 4
        assert [kind for kind, _ in lines].count("read") == 2
        values = [float(value) for _, value in lines]
        ordered = (
            [values] if name == "before" else [values[:2], values[2:]]
        )  # those read come first
        assert ordered == [sorted(part, reverse=True) for part in ordered]
        assert re.search(r"width: 100%", by_id(page, name))
    assert [kind for kind, _ in lines[:2]] == ["read", "read"]  # best first
    assert page.count("<article>") == 2

    picture = tmp_path / "page.png"
    browse("who wrote fidelio", f"--screenshot={picture}", "--window-size=1000,720")
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size > 10_000


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
def test_an_error_is_shown_and_nothing_typed_becomes_part_of_the_page(browse):
    typed = "<img src=x onerror=alert(1)>" + "a" * 2000
    page = browse(typed, "--dump-dom")
    assert "must have from 1 to 2000 characters" in html.unescape(by_id(page, "error"))
    assert "<img" not in page
