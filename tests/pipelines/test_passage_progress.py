import logging

from glimmer_keras.pipelines import passage_progress
from glimmer_keras.pipelines.passage_progress import PassageProgress


def test_without_a_terminal_there_are_lines_at_intervals(monkeypatch, caplog, capsys):
    now = iter([0.0, 10.0, 31.0, 40.0])
    monkeypatch.setattr(passage_progress.time, "monotonic", lambda: next(now))
    with (
        caplog.at_level(logging.INFO, "glimmer_keras"),
        PassageProgress("Encoding", 5000) as progress,
    ):
        progress.advance(1000, computed=False)
        progress.advance(620)
        progress.advance(80)
    # What was there already does not count as speed: 620 in 31 seconds.
    assert caplog.messages == ["Encoding: 1,620/5,000 passages, 20 a second"]
    assert (progress.done, progress.computed) == (1700, 700)
    assert capsys.readouterr() == ("", "")
