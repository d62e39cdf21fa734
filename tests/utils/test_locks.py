import os

import pytest

from glimmer_keras.utils.locks import HeldError, hold


def test_one_holder_at_a_time_whom_the_error_names(tmp_path):
    with (
        hold(tmp_path / "lock", "`store`"),
        pytest.raises(
            HeldError, match=rf"`store` must not be .* held by process {os.getpid()} on "
        ),
        hold(tmp_path / "lock", "`store`"),
    ):
        raise AssertionError
    with hold(tmp_path / "lock", "`store`"):
        pass


def test_it_is_free_again_after_an_error(tmp_path):
    with pytest.raises(KeyError), hold(tmp_path / "lock", "`store`"):
        raise KeyError
    with hold(tmp_path / "lock", "`store`"):
        pass
