import pytest

from recipes.settings import check_settings


def test_differences_are_told_by_their_dotted_names(tmp_path):
    kept = {"sizes": [1, 2], "seed": 1, "fit": {"steps": 1, "rate": 2}}
    check_settings(tmp_path, kept, kept | {"sizes": (1, 2)})
    message = r"has fit.steps=1, tasks=None. Received: fit.steps=3, tasks=\['qa'\]"
    with pytest.raises(ValueError, match=message):
        check_settings(tmp_path, kept, kept | {"fit": {"steps": 3, "rate": 2}, "tasks": ["qa"]})
