import dataclasses

import pytest

from glimmer_keras.memory import StoredPassage


def test_frozen_and_compared_by_value():
    passage = StoredPassage("1", "Ulm", "A city.")
    assert passage == StoredPassage(id="1", title="Ulm", text="A city.")
    with pytest.raises(dataclasses.FrozenInstanceError):
        passage.id = "2"
