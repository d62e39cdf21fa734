import io
import logging
import re

import pytest
from rich.console import Console

from glimmer_keras.training import RunProgress


def go(progress, *epochs):
    """Steps of epochs, as `fit` calls for them."""
    for steps in epochs:
        progress.on_epoch_begin(0)
        for batch in range(steps):
            progress.on_train_batch_end(batch, {"loss": 1 / (batch + 1)})


def test_lines_where_there_is_no_terminal(caplog):
    caplog.set_level(logging.INFO, "glimmer_keras")
    with RunProgress(12, start_step=3, every=5) as progress:
        go(progress, 4, 5)
    assert [re.sub(r", [0-9.,e+]+ a second", "", line) for line in caplog.messages] == [
        "Training: 5/12 steps, loss 0.5000",
        "Training: 10/12 steps, loss 0.3333",
        "Training: 12/12 steps, loss 0.2000",
    ]
    assert all(" a second" in line for line in caplog.messages)


def test_one_bar_in_a_terminal(caplog, monkeypatch):
    caplog.set_level(logging.INFO, "glimmer_keras")
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=120)
    monkeypatch.setattr("rich.console.Console", lambda stderr: console)
    with RunProgress(1_200, start_step=1_191, every=5) as progress:
        go(progress, 4, 5)
    assert not caplog.messages
    assert screen.getvalue().count("\n") == 1
    last = screen.getvalue().split("\r")[-1]
    assert last.count("Training") == last.count("1,200/1,200 steps, loss 0.2000, ") == 1


def test_errors():
    with pytest.raises(ValueError, match="at least the 5 done before. Received: steps=4"):
        RunProgress(4, start_step=5)
    with pytest.raises(ValueError, match="`every` must be at least 1. Received: every=0"):
        RunProgress(4, every=0)
