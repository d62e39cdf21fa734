import dataclasses

import pytest

from glimmer_keras.data import Passage
from glimmer_keras.pipelines import RankedPassage


@pytest.mark.parametrize("title", ["Torvik", ""])
def test_content_is_what_the_reader_was_given(title):
    passage = RankedPassage("p2", title, "A town.", None, True, 1, None)
    assert passage.content == Passage("p2", title, "A town.").content
    with pytest.raises(dataclasses.FrozenInstanceError):
        passage.score = 1.0
