import signal
import threading

import pytest

from glimmer_keras.training.noted_signals import noted_signals


@pytest.fixture
def before():
    """What came to the handlers that were there before."""
    got = []
    kept = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    signal.signal(signal.SIGTERM, lambda number, _: got.append(number))
    signal.signal(signal.SIGINT, lambda number, _: got.append(number))
    yield got
    for number, handler in zip((signal.SIGTERM, signal.SIGINT), kept, strict=True):
        signal.signal(number, handler)


@pytest.mark.parametrize("first", [signal.SIGTERM, signal.SIGINT])
def test_the_first_is_noted_and_the_second_is_not(before, first):
    noted = []
    with noted_signals(noted.append):
        signal.raise_signal(first)
        assert (noted, before) == ([first.name], [])
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
    assert noted == [first.name]
    assert before == [signal.SIGTERM, signal.SIGINT]


def test_handlers_are_as_before_whatever_happens(before):
    noted = []
    with pytest.raises(RuntimeError), noted_signals(noted.append):
        raise RuntimeError
    signal.raise_signal(signal.SIGTERM)
    assert (noted, before) == ([], [signal.SIGTERM])


def test_an_ignored_signal_stays_ignored(before):
    noted = []
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with noted_signals(noted.append):
        signal.raise_signal(signal.SIGINT)
    assert noted == []
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_nothing_is_installed_in_another_thread(before):
    found = []

    def look():
        with noted_signals(found.append):
            found.append(signal.getsignal(signal.SIGTERM))

    here = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert found == [here]
