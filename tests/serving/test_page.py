"""The page of `glimmer serve --page` in a headless Chromium, which also takes a picture of it."""

import html
import re
import shutil
import subprocess
import urllib.parse

import pytest

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

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium"),
]


@pytest.fixture
def browse(server, tmp_path):
    def browse(question, *flags):
        url = f"{server.rest}/?{urllib.parse.urlencode({'q': question})}"
        profile = f"--user-data-dir={tmp_path / 'profile'}"
        command = [CHROMIUM, *FLAGS, profile, *flags, url]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=90, check=True
        ).stdout

    return browse


def by_id(page, name):
    """What is inside of the element with an id, in HTML."""
    return re.search(rf'<(\w+)[^>]* id="{name}".*?>(.*?)</\1>', page, re.DOTALL)[2]


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


def test_an_error_is_shown_and_nothing_typed_becomes_part_of_the_page(browse):
    typed = "<img src=x onerror=alert(1)>" + "a" * 2000
    page = browse(typed, "--dump-dom")
    assert "must have from 1 to 2000 characters" in html.unescape(by_id(page, "error"))
    assert "<img" not in page
