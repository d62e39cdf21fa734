import io
import logging

import pytest
from rich import console as rich_console

from glimmer_keras.utils import progress as module
from glimmer_keras.utils.progress import Progress, track


@pytest.fixture(autouse=True)
def logged(caplog):
    caplog.set_level(logging.INFO, "glimmer_keras")


def test_without_a_terminal_there_are_lines_at_intervals(monkeypatch, caplog, capsys):
    now = iter([0.0, 10.0, 31.0, 40.0])
    monkeypatch.setattr(module.time, "monotonic", lambda: next(now))
    with Progress("Encoding", 5000, "passages") as progress:
        progress.advance(1000, computed=False)
        progress.advance(620)
        progress.advance(80)
    # What was there already does not count as speed: 620 in 31 seconds.
    assert caplog.messages == ["Encoding: 1,620/5,000 passages, 20 a second"]
    assert (progress.done, progress.computed) == (1700, 700)
    assert capsys.readouterr() == ("", "")


def test_lines_after_so_many_units_and_at_the_end(monkeypatch, caplog):
    now = iter(range(100))
    monkeypatch.setattr(module.time, "monotonic", lambda: float(next(now)))
    with Progress("Training", 12, "steps", done=3, every=5) as progress:
        progress.advance(note="loss 1.5")
        progress.restart_clock()
        for _ in range(8):
            progress.advance(note="loss 1.5")
    assert caplog.messages == [
        "Training: 5/12 steps, loss 1.5, 1 a second",
        "Training: 10/12 steps, loss 1.5, 1 a second",
        "Training: 12/12 steps, loss 1.5, 1 a second",
    ]


def test_a_bar_in_a_terminal(monkeypatch, caplog):
    screen = io.StringIO()
    console = rich_console.Console(file=screen, force_terminal=True, width=120)
    monkeypatch.setattr(rich_console, "Console", lambda stderr: console)
    with Progress("Training", 1_200, "steps", done=1_191, every=5, transient=False) as progress:
        for _ in range(9):
            progress.advance(note="loss 0.2")
    assert not caplog.messages
    assert screen.getvalue().count("\n") == 1
    last = screen.getvalue().split("\r")[-1]
    assert last.count("Training") == last.count("1,200/1,200 steps, loss 0.2, ") == 1


def test_nothing_is_shown_unless_asked_for(monkeypatch, caplog, capsys):
    monkeypatch.setattr(module, "SECONDS_BETWEEN_LINES", -1.0)
    assert list(track([1, 2], "Reading", "passages", show=False)) == [1, 2]
    assert not caplog.messages
    assert list(track([1, 2], "Reading", "passages")) == [1, 2]
    assert [line.split(",")[0] for line in caplog.messages] == [
        "Reading: 1/2 passages",
        "Reading: 2/2 passages",
    ]
    assert capsys.readouterr() == ("", "")


def test_a_total_that_is_not_known(monkeypatch, caplog):
    monkeypatch.setattr(module, "SECONDS_BETWEEN_LINES", -1.0)
    assert list(track(iter("ab"), "Reading", "lines")) == ["a", "b"]
    assert caplog.messages[-1].startswith("Reading: 2 lines, ")
