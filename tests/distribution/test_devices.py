"""Training on simulated devices, of which a process has but one number: a child of its own.

Run as a program this file trains one small Glimmer on several layouts, `[devices, model_parallel]`
of the first ten steps, and of those after, which go on from a checkpoint where that is another.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import keras
import numpy as np
import pytest

from glimmer_keras import Glimmer
from glimmer_keras.distribution import data_shard, layout_map, on_devices
from glimmer_keras.distribution.devices import find_hosts
from glimmer_keras.optimizers import Adafactor, SkippingOptimizer
from glimmer_keras.training import Checkpoints

BACKEND = keras.backend.backend()
ONLY_JAX = pytest.mark.skipif(BACKEND != "jax", reason="of keras.distribution")
LAYOUTS = {
    "jax": {"1": [(1, 1)], "2x4, then 4": [(8, 4), (4, 1)]},
    # TensorFlow cannot reduce over four devices and then over two.
    "tensorflow": {"1": [(1, 1)], "2, then 1": [(2, 1), (1, 1)]},
}
STEPS, ROWS, WORDS = 20, 8, 64


def make_devices():
    """Simulates them, which works before the first use alone."""
    if keras.backend.backend() == "jax":
        import jax

        jax.config.update("jax_num_cpu_devices", 8)
    else:
        import tensorflow as tf

        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
        logical = [tf.config.LogicalDeviceConfiguration() for _ in range(2)]
        tf.config.set_logical_device_configuration(cpu, logical)


def names(count):
    if keras.backend.backend() == "jax":
        return keras.distribution.list_devices()[:count]
    import tensorflow as tf

    return [device.name for device in tf.config.list_logical_devices("CPU")[:count]]


def make_model(words=WORDS):
    keras.utils.set_random_seed(0)
    glimmer = Glimmer.from_size(
        "tiny",
        vocabulary_size=words,
        num_layers=3,
        num_decoder_layers=1,
        num_heads=4,
        hidden_dim=8,
        intermediate_dim=16,
        key_value_dim=4,
        live_proportion=2 / 3,
        rerank_proportion=1 / 2,
        num_selected=2,
        dropout=0.0,
    )
    glimmer.compile(Adafactor(0.02))
    return glimmer


def batches(first, last):
    """Steps with answers and passages of many lengths, some passages missing."""
    import tensorflow as tf

    rng = np.random.default_rng(0)

    def filled(*shape):
        lengths = rng.integers(0 if len(shape) == 3 else 2, shape[-1] + 1, shape[:-1])
        return np.arange(shape[-1]) < lengths[..., None]

    def make():
        shapes = {"question": (ROWS, 4), "passage": (ROWS, 4, 6), "decoder": (ROWS, 5)}
        masks = {name: filled(*shape) for name, shape in shapes.items()}
        masks["passage"][:, 0, 0] = True
        ids = {name: rng.integers(2, WORDS, mask.shape) * mask for name, mask in masks.items()}
        inputs = {f"{name}_token_ids": x.astype("int32") for name, x in ids.items()}
        inputs |= {f"{name}_padding_mask": mask for name, mask in masks.items()}
        labels = rng.integers(2, 6, (ROWS, 5)).astype("int32")
        return inputs, labels, masks["decoder"].astype("float32")

    steps = [make() for _ in range(STEPS)]
    spec = tf.nest.map_structure(lambda x: tf.TensorSpec(x.shape, x.dtype), steps[0])
    return tf.data.Dataset.from_generator(lambda: iter(steps[first:last]), output_signature=spec)


def train(layouts, directory):
    """Losses of all steps, sums of the last model's weights, and what a device holds at first."""
    losses, held = [], {}
    log = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda _, logs: losses.append({k: float(v) for k, v in logs.items()})
    )
    for devices, model_parallel in layouts:
        with on_devices(model_parallel, names(devices)):
            glimmer = make_model()
            checkpoints = Checkpoints(directory, save_every=STEPS // 2)
            first = checkpoints.restore(glimmer)
            last = STEPS if len(layouts) == 1 else first + STEPS // 2
            # An epoch is a step, so that its losses are not means over those before.
            glimmer.fit(
                batches(first, last),
                epochs=last - first,
                steps_per_epoch=1,
                verbose=0,
                callbacks=[log, checkpoints],
            )
            sums = [float(keras.ops.sum(keras.ops.abs(weight))) for weight in glimmer.weights]
            if keras.backend.backend() == "jax" and not held:
                for weight in [*glimmer.weights, *glimmer.optimizer.variables]:
                    part = weight.value.addressable_shards[0].data
                    held[weight.path] = [part.size, weight.value.size]
    return {"losses": losses, "sums": sums, "held": held}


def on_two_replicas(folder):
    """Whether weights of files arrive there, and what is said of skipping steps."""
    with on_devices(1, names(2)):
        glimmer = make_model()
        glimmer.export_to_transformers(folder)
        loaded = Glimmer.from_hugging_face(folder)
        pairs = zip(glimmer.weights, loaded.weights, strict=True)
        arrived = all(np.array_equal(one.numpy(), other.numpy()) for one, other in pairs)
        try:
            SkippingOptimizer(keras.optimizers.SGD(1.0)).build(glimmer.trainable_variables)
        except ValueError as error:
            return {"arrived": arrived, "error": str(error)}


def child():
    """What this file does as a program: prints JSON of what each layout gave."""
    make_devices()
    asked, found = LAYOUTS[keras.backend.backend()], {}
    with contextlib.redirect_stdout(sys.stderr), tempfile.TemporaryDirectory() as kept:
        for name, layouts in asked.items():
            found[name] = train(layouts, f"{kept}/{name}")
        if keras.backend.backend() == "jax":
            try:
                with on_devices(4):
                    make_model(words=66)
            except ValueError as error:
                found["66 words on 4 devices"] = str(error)
        else:
            found["two replicas"] = on_two_replicas(f"{kept}/hugging_face")
    print(json.dumps(found))


@pytest.fixture(scope="module")
def trained():
    """What this file finds as a program."""
    done = subprocess.run(
        [sys.executable, __file__],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    return json.loads(done.stdout.splitlines()[-1])


def test_losses_are_those_of_one_device(trained):
    one, other = (trained[layout] for layout in LAYOUTS[BACKEND])
    assert len(one["losses"]) == len(other["losses"]) == 20
    for expected, found in zip(one["losses"], other["losses"], strict=True):
        assert found.keys() == expected.keys() > {"loss", "lm_loss", "distillation_loss"}
        assert found == pytest.approx(expected, abs=1e-4, rel=1e-4)
    # They are not equal because nothing was learned.
    assert one["losses"][-1]["loss"] < 0.95 * one["losses"][0]["loss"]
    np.testing.assert_allclose(other["sums"], one["sums"], rtol=1e-3)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="of tf.distribute")
def test_files_on_replicas_and_no_skipped_steps(trained):
    assert trained["two replicas"]["arrived"]
    assert trained["two replicas"]["error"].endswith("skips on several. Received: 2 replicas")


@ONLY_JAX
def test_each_device_holds_its_part(trained):
    held = trained["2x4, then 4"]["held"]
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


def test_hosts_must_be_those_that_are_told_of(monkeypatch):
    def fail():
        raise ValueError("nobody is there")

    monkeypatch.delenv("TF_CONFIG", raising=False)
    monkeypatch.delenv("KERAS_DISTRIBUTION_NUM_PROCESSES", raising=False)
    monkeypatch.setattr(keras.distribution, "initialize", fail)
    find_hosts(1)
    why = "and nobody is there" if BACKEND == "jax" else "where there are 1"
    with pytest.raises(ValueError, match=f"`run.hosts` must be the .* Received: 2, {why}"):
        find_hosts(2)
    cluster = {"chief": ["a:1"], "worker": ["b:1", "c:1"]}
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": cluster}))
    monkeypatch.setenv("KERAS_DISTRIBUTION_NUM_PROCESSES", "3")
    if BACKEND == "tensorflow":
        find_hosts(3)
    with pytest.raises(ValueError, match="Received: 1, where there are 3"):
        find_hosts(1)


def test_what_tells_of_hosts_must_be_readable(monkeypatch):
    monkeypatch.setenv("TF_CONFIG", "worker 1")
    monkeypatch.setenv("KERAS_DISTRIBUTION_NUM_PROCESSES", "two")
    expected = {
        "jax": "`KERAS_DISTRIBUTION_NUM_PROCESSES` must be a number. Received: 'two'",
        "tensorflow": "`TF_CONFIG` must be JSON with a `cluster`",
    }
    with pytest.raises(ValueError, match=expected[BACKEND]):
        find_hosts(1)


def test_one_host_reads_whole_batches():
    assert data_shard() == (0, 1)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="of tf.distribute")
def test_tensorflow_does_not_split_models():
    with pytest.raises(ValueError, match="must be 1 on TensorFlow; .* model_parallel=2"):
        on_devices(2).__enter__()


if __name__ == "__main__":
    child()
