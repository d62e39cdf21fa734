import json

import keras
import pytest

from recipes.benchmarks import accelerator


@pytest.mark.once_on("tensorflow")
def test_what_is_found_and_what_fails_is_saved(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(accelerator.QUICK, "parity", {"size": "no such"})
    options = ["--quick", "--output", str(tmp_path)]
    report = accelerator.main([*options, "--only", "flash", "parity"])
    file = tmp_path / f"accelerator-{keras.backend.backend()}.json"
    assert json.loads(file.read_text()) == report
    assert report["parts"]["flash"]["found"]["plain with bias"]["median"] > 0
    assert "failed" in report["parts"]["parity"]
    assert "flash: done (" in capsys.readouterr().out


def test_no_time_is_left(tmp_path):
    report = accelerator.main(["--quick", "--only", "training", "--minutes", "0"])
    assert report["parts"]["training"]["failed"] == "no time was left: 0 s of --minutes"


def test_each_part_has_settings_for_both():
    assert list(accelerator.FULL) == list(accelerator.QUICK)
