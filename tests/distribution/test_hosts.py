"""Of one host; tests/training/test_several_hosts.py is of several."""

import numpy as np
import pytest

from glimmer_keras.distribution.hosts import (
    first_host_first,
    from_hosts,
    hosts,
    whole,
    write_on_first_host,
)


def test_one_host_is_the_first_and_waits_for_nobody():
    assert hosts() == (0, 1)
    assert from_hosts(7) == [7]
    with first_host_first() as first:
        assert first
    with pytest.raises(OSError, match="a full disk"), first_host_first():
        raise OSError("a full disk")


def test_one_host_writes_at_once():
    written = []
    write_on_first_host([], lambda: written.append(1))
    assert written == [1]
    array = np.ones(3)
    assert whole(array) is array
