import pytest

from glimmer_keras.evaluation.best_preset import BestPreset
from tests import NumberedModel


@pytest.fixture
def best(tmp_path):
    best = BestPreset(tmp_path / "run" / "best")
    best.replace(NumberedModel(1), {"average": 0.1})
    return best


def held(best):
    """The number of the model and its record, when nothing else is there."""
    record = best.record()
    assert [path.name for path in best.path.parent.iterdir()] == ["best"]
    return int((best.path / "assets" / "weights").read_text()), record


def test_it_is_replaced_with_its_record(best):
    assert held(best) == (1, {"average": 0.1})
    best.replace(NumberedModel(2), {"average": 0.2})
    assert held(best) == (2, {"average": 0.2})


def test_one_that_is_half_written_is_cleared_away(best):
    with pytest.raises(KeyboardInterrupt):
        best.replace(NumberedModel(2, fails=True), {"average": 0.2})
    assert held(BestPreset(best.path)) == (1, {"average": 0.1})


def test_a_folder_of_something_else_is_an_error(tmp_path):
    assert BestPreset(tmp_path / "none").record() is None
    with pytest.raises(ValueError, match=r"`best` must be a new folder, or one with dev_scores"):
        BestPreset(tmp_path).record()
