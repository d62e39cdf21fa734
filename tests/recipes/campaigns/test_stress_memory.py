import json

import pytest

from recipes.campaigns import stress_memory


@pytest.mark.slow  # it starts four processes
def test_tiny_run(tmp_path):
    sizes = ["--kills", "1", "--flips", "8", "--appended", "80", "--people", "60"]
    stress_memory.main([*sizes, "--shard-size", "32", "--output", str(tmp_path)])
    report = json.loads((tmp_path / "stress.json").read_text())
    assert report["killed"]["equal stores"] == report["killed"]["killed"] == 1
    flipped = report["flipped"]
    assert flipped["harmless"] + flipped["reported"] == 8
    assert flipped["wrong"] == flipped["not seen by verify"] == 0
    appended = report["appended"]
    assert appended["passages after"] == appended["passages before"] + 80
    assert appended["seen after reopening"] == appended["passages after"]
    assert appended["reads meanwhile"] > 0
    assert appended["wrong reads"] == 0
