import json
import subprocess
import sys

import keras
import numpy as np
import pytest

from glimmer_keras import Glimmer
from glimmer_keras.models.matrix_work import student_work, training_work
from recipes.benchmarks.processes import environment

if keras.backend.backend() != "jax":
    pytest.skip("shapes are evaluated by JAX", allow_module_level=True)

from recipes.benchmarks import plan as program

SETTINGS = ["--size", "tiny", "--devices", "4", "--model-parallel", "2", "--dtype", "float32"]
SETTINGS += ["--k", "6", "--question-length", "3", "--passage-length", "5", "--answer-length", "4"]
SETTINGS += ["--batch", "1", "2", "--global-batch", "8", "--steps", "100", "--memory", "0.1"]
SETTINGS += ["--peak", "1", "--utilization", "0.5"]


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    """Of a process of its own, as it needs four devices."""
    output = tmp_path_factory.mktemp("plan")
    subprocess.run(
        [sys.executable, "-m", program.__name__, *SETTINGS, "--output", str(output)],
        check=True,
        env=environment(),
        stdout=subprocess.DEVNULL,
    )
    return json.loads((output / "plan.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def glimmer():
    return Glimmer.from_size("tiny", "glimmer")


def test_what_a_device_holds(plan, glimmer):
    held = plan["held"]
    sizes = {weight.path: int(np.prod(weight.shape)) for weight in glimmer.weights}
    whole = sum(n for path, n in sizes.items() if "scale" in path or "table" in path)
    whole += glimmer.backbone.hidden_dim  # the scorer's
    assert held["parameters"] == sum(sizes.values()) == glimmer.count_params()
    assert held["weights"] == 4 * (whole + (sum(sizes.values()) - whole) / 2)
    assert held["gradients"] == held["weights"]
    # Rows and columns of each matrix, whole vectors, the steps and the rate.
    moments = sum(sum(w.shape) if len(w.shape) > 1 else w.shape[0] for w in glimmer.weights)
    assert held["optimizer"] == 4 * (moments + 2)


def test_batches(plan, glimmer):
    layers = glimmer.backbone.layer_counts
    one, two = plan["batches"]
    # 4 devices are 2 copies of the model.
    assert (one["accumulate"], two["accumulate"]) == (4, 2)
    assert one["global_batch"] == two["global_batch"] == 8
    for name in ("block inputs", "keys and values", "one block", "logits"):
        assert two["bytes"][name] == 2 * one["bytes"][name]
    # 4 decoder layers, 64 values wide in half the heads; 5 passages of 8 tokens and the question
    # for the answer, 6 with the question each for the teacher.
    positions = (5 * 8 + 3) + 6 * (8 + 3)
    assert one["bytes"]["keys and values"] == positions * 4 * 2 * 64 / 2 * 4
    # The answer, and that of the passage that the teacher is at.
    assert one["bytes"]["logits"] == 2 * 2 * 4 * 32128 / 2 * 4
    # 64 values of each token that goes into a layer; and what is live, and what the teacher reads.
    tokens = layers["memory"] * (6 * 5 + 3) + layers["stage A"] * 6 * 8 + layers["stage B"] * 5 * 8
    tokens += 2 * 6 * 8 + 4 * 4
    assert one["bytes"]["block inputs"] == tokens * 64 * 4
    # 2 heads of 8 x 8 scores in float32, twice and as weights; hidden units thrice and 4 of the
    # width of all heads; and the gradients of all.
    scores, hidden = 2 * 8 * 8 * 12, 8 * (3 * 128 + 4 * 64) / 2 * 4
    assert one["bytes"]["one block"] == 2 * 6 * (scores + hidden)
    assert one["total"] == sum(one["bytes"].values())
    assert one["fits"] == (one["total"] <= 0.9 * 0.1e9)


def test_time(plan, glimmer):
    work, lengths = plan["work"], (6, 3, 5, 4)
    macs = training_work(glimmer.backbone, *lengths) + student_work(glimmer.backbone, *lengths)
    assert work["flop"] == 2 * 8 * macs.total
    assert work["seconds"] == pytest.approx(work["flop"] / (4 * 1e12 * 0.5))
    assert work["days"] == pytest.approx(100 * work["seconds"] / 86400)


def test_devices_that_do_not_divide(capsys):
    with pytest.raises(SystemExit):
        program.main(["--devices", "4", "--model-parallel", "3"])
    assert "--model-parallel must divide --devices" in capsys.readouterr().err
