import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from glimmer_keras.training import layout_map, on_devices

BACKEND = keras.backend.backend()
PROGRAM = Path(__file__).with_name("devices_program.py")
ONLY_JAX = pytest.mark.skipif(BACKEND != "jax", reason="of keras.distribution")


@pytest.fixture(scope="module")
def trained():
    """What devices_program.py finds: a process has but one number of devices."""
    done = subprocess.run(
        [sys.executable, str(PROGRAM)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(PROGRAM.parents[2])},
    )
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    "layout", ["8", "2x4", "2x4, then 4"] if BACKEND == "jax" else ["2", "2, then 1"]
)
def test_losses_are_those_of_one_device(trained, layout):
    one, other = trained["1"], trained[layout]
    assert len(one["losses"]) == len(other["losses"]) == 20
    for expected, found in zip(one["losses"], other["losses"], strict=True):
        assert found.keys() == expected.keys() > {"loss", "lm_loss", "distillation_loss"}
        assert found == pytest.approx(expected, abs=1e-4, rel=1e-4)
    # They are not equal because nothing was learned.
    assert one["losses"][-1]["loss"] < 0.95 * one["losses"][0]["loss"]
    np.testing.assert_allclose(other["sums"], one["sums"], rtol=1e-3)


@ONLY_JAX
def test_each_device_holds_its_part(trained):
    held = trained["2x4"]["held"]
    for path, (part, whole) in held.items():
        split = "kernel" in path and "scorer" not in path and "adafactor" not in path
        split |= path.endswith("embeddings")
        assert part == (whole / 4 if split else whole), path
    model = {path: parts for path, parts in held.items() if "adafactor" not in path}
    parts, wholes = map(sum, zip(*model.values(), strict=True))
    assert parts < 0.35 * wholes
    optimizer = sum(whole for path, (_, whole) in held.items() if "adafactor" in path)
    assert optimizer < 0.35 * wholes


@ONLY_JAX
def test_a_weight_that_cannot_be_split_is_named(trained):
    assert trained["66 words on 4 devices"] == (
        "`model_parallel` must divide the 66 of 'token_embedding/embeddings', of shape (66, 8). "
        "Received: model_parallel=4"
    )


@ONLY_JAX
def test_the_layout_of_a_weight():
    mesh = keras.distribution.DeviceMesh((1, 1), ("batch", "model"), devices=["cpu:0"])
    layouts = layout_map(mesh)
    expected = {
        "glimmer_backbone/token_embedding/embeddings": ("model", None),
        "glimmer_backbone/token_embedding/reverse_embeddings": (None, "model"),
        "glimmer_backbone/stage_a/block_0/attention/key/kernel": (None, "model"),
        "decoder/block_11/cross_attention/output_projection/kernel": ("model", None),
        "decoder/block_11/self_attention/query/kernel": (None, "model"),
        "memory_encoder/block_3/feed_forward/gate/kernel": (None, "model"),
        "memory_encoder/block_3/feed_forward/down/kernel": ("model", None),
    }
    assert {path: layouts[path].axes for path in expected} == expected
    for path in ("decoder/position_bias/table", "passage_scorer/kernel", "encoder_norm/scale"):
        assert layouts[path] is None


@ONLY_JAX
def test_the_distribution_of_keras_comes_back():
    with on_devices() as distribution:
        assert keras.distribution.distribution() is distribution
        assert type(distribution) is keras.distribution.DataParallel
    assert keras.distribution.distribution() is None


@ONLY_JAX
def test_errors():
    with pytest.raises(ValueError, match="number of devices, 1. Received: model_parallel=2"):
        on_devices(2).__enter__()
    with pytest.raises(ValueError, match="`devices` must be some of .* Received: devices=.'gpu:7'"):
        on_devices(devices=["gpu:7"]).__enter__()
    mesh = keras.distribution.DeviceMesh((1,), ("batch",), devices=["cpu:0"])
    with pytest.raises(ValueError, match="must have an axis 'model'. Received: "):
        layout_map(mesh)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="of tf.distribute")
def test_tensorflow_does_not_split_models():
    with pytest.raises(ValueError, match="must be 1 on TensorFlow; .* model_parallel=2"):
        on_devices(2).__enter__()
