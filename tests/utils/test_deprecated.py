import pytest

from glimmer_keras import distribution, optimizers, training
from glimmer_keras.utils.deprecated import deprecated_names


@pytest.mark.parametrize(
    ("name", "home"),
    [
        ("Adafactor", optimizers),
        ("SkippingOptimizer", optimizers),
        ("data_shard", distribution),
        ("layout_map", distribution),
        ("on_devices", distribution),
    ],
)
def test_old_names_of_training(name, home):
    with pytest.warns(DeprecationWarning, match=rf"training\.{name} is .*{home.__name__}\.{name}"):
        assert getattr(training, name) is getattr(home, name)


def test_other_names_are_missing_as_ever():
    get = deprecated_names("house", {"old": "glimmer_keras.optimizers.Adafactor"})
    with pytest.warns(DeprecationWarning, match="the old name goes with the next release"):
        assert get("old") is optimizers.Adafactor
    with pytest.raises(AttributeError, match="module 'house' has no attribute 'new'"):
        get("new")
