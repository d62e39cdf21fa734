import keras
import pytest

from recipes.benchmarks import inference
from recipes.benchmarks.timing import jit_choices

SHAPES = ["--size", "tiny", "--k", "3", "--m", "1", "--question-length", "2"]
SHAPES += ["--passage-length", "5", "--answer-length", "2"]


pytestmark = pytest.mark.once_on("jax")


@pytest.fixture(scope="module")
def report(run):
    return run(inference, [*SHAPES, "--batch", "2", "--repeats", "2", "--jit", "off"])


def test_every_part_of_every_system_is_timed(report):
    (case,) = report["cases"]
    assert (case["size"], case["batch"]) == ("tiny", 2)
    parts = {name: set(system["seconds"]) for name, system in case["systems"].items()}
    read = {"encode", "decode", "whole"}
    assert parts == {"fid": read, "lumen": read, "glimmer": {"rerank", *read}}
    for system in case["systems"].values():
        assert system["parts_agree"]
        assert set(system["jit"].values()) <= set(jit_choices("off"))
        assert all(0 < s["min"] <= s["median"] <= s["max"] for s in system["seconds"].values())
        assert system["encoder_share_of_peak"] > 0
        limit = system["limit"]
        assert limit["whole"] == pytest.approx(limit["encoder"] + limit["decoder"])


def test_the_machine_and_the_settings_are_told(report):
    assert report["machine"]["backend"] == keras.backend.backend()
    assert report["machine"]["versions"]["keras"] == keras.__version__
    assert {"cpu", "cores", "load_before", "devices"} <= set(report["machine"])
    assert report["settings"]["k"] == 3
    peak = report["cases"][0]["peak"]
    assert peak["shape"] == [15, 8, 12]
    assert 0 < peak["macs_per_second"]["min"] <= peak["macs_per_second"]["max"]


def test_predicted_ratios(report):
    rows = {(row["pair"], row["span"]): row for row in report["cases"][0]["ratios"]}
    assert len(rows) == 9
    # In d^2, with L = 2: FiD 3 5 2 14 + 2 2 14, LUMEN 3 5 2/3 12 + 3 5 2 2 + 2 2 14, GLIMMER
    # 1 5 2/3 12 + 1 5 2 2 + 2 2 14 + 2 5 1/6 12.
    fid, lumen, glimmer = 420 + 56, 120 + 60 + 56, 40 + 20 + 56 + 20
    assert rows["fid/glimmer", "whole"]["by_formulas"] == pytest.approx(fid / glimmer)
    assert rows["lumen/glimmer", "whole"]["by_formulas"] == pytest.approx(lumen / glimmer)
    assert rows["fid/lumen", "encoder"]["by_formulas"] == pytest.approx(360 / 120)
    assert rows["fid/glimmer", "decoder"]["by_formulas"] == pytest.approx(116 / 76)
    row = rows["fid/glimmer", "whole"]
    assert row["over_formulas"] == pytest.approx(row["measured"] / row["by_formulas"])
    work = {name: system["work"] for name, system in report["cases"][0]["systems"].items()}
    expected = work["fid"]["encode"]["projections"] / work["glimmer"]["rerank"]["projections"]
    assert rows["fid/glimmer", "encoder"]["by_projections"] == pytest.approx(expected)


def test_lengths_are_checked(capsys):
    with pytest.raises(SystemExit):
        inference.parse(["--question-length", "352"])
    assert "--question-length must be from 1 to under --passage-length" in capsys.readouterr().err
