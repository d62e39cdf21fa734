import json

import keras
import numpy as np
import pytest
from benchmark_groups import Encode, main, parse

from glimmer_keras.models.sizes import T5_SIZES

SMALL = {"num_layers": 2, "num_heads": 2, "hidden_dim": 8, "intermediate_dim": 12}


def test_the_report(monkeypatch, tmp_path):
    monkeypatch.setitem(T5_SIZES, "tiny", SMALL)
    shapes = ["--size", "tiny", "--passages", "4", "--length", "3", "--groups", "2"]
    found = main([*shapes, "--repeats", "2", "--output", str(tmp_path)])
    written = tmp_path / f"groups-{keras.backend.backend()}.json"
    assert json.loads(written.read_text(encoding="utf-8")) == json.loads(json.dumps(found))
    assert found["sizes"]["tiny"]["chosen"] == 4
    assert list(found["sizes"]["tiny"]["seconds"]) == [2, 4]


def test_groups_give_what_all_at_once_give(rng):
    model = Encode(SMALL)
    states = rng.normal(size=(4, 3, 8)).astype("float32")
    whole, halves = (np.asarray(model.in_groups(group, states)) for group in (4, 2))
    np.testing.assert_allclose(halves, whole, rtol=1e-5, atol=1e-5)


def test_groups_must_divide(capsys):
    with pytest.raises(SystemExit):
        parse(["--groups", "4"])
    assert "--groups must divide --passages" in capsys.readouterr().err
