import numpy as np
import pytest

from recipes.benchmarks import groups


def test_the_report(run):
    shapes = ["--size", "tiny", "--passages", "4", "--length", "3", "--groups", "2"]
    report = run(groups, [*shapes, "--repeats", "2"])
    assert report["sizes"]["tiny"]["chosen"] == 4
    assert list(report["sizes"]["tiny"]["seconds"]) == [2, 4]


def test_groups_give_what_all_at_once_give(rng, small):
    model = groups.Encode(small)
    states = rng.normal(size=(4, 3, 8)).astype("float32")
    whole, halves = (np.asarray(model.in_groups(group, states)) for group in (4, 2))
    np.testing.assert_allclose(halves, whole, rtol=1e-5, atol=1e-5)


def test_groups_must_divide(capsys):
    with pytest.raises(SystemExit):
        groups.parse(["--groups", "4"])
    assert "--groups must divide --passages" in capsys.readouterr().err
