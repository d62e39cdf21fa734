import os

import pytest

from glimmer_keras.utils.quiet import quiet


def write(text):
    """As a library in C writes."""
    os.write(2, f"{text}\n".encode())


def test_what_is_written_is_kept_back(capfd):
    with quiet():
        write("noise")
    write("after")
    assert capfd.readouterr().err == "after\n"


def test_where_the_work_fails_it_is_shown(capfd):
    def fail():
        with quiet():
            write("cause")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    write("after")
    assert capfd.readouterr().err == "cause\nafter\n"
