"""Trains one small Glimmer on several layouts of simulated devices; a child of test_devices.py.

Prints JSON: for each layout the losses of 20 steps, the sums of the weights, and how many values
of each weight a device holds. A layout is `[devices, model_parallel]` of the first ten steps, and
of those after, which go on from a checkpoint where that is another.
"""

import contextlib
import json
import sys
import tempfile

import keras
import numpy as np

from glimmer_keras import Glimmer
from glimmer_keras.training import Adafactor, Checkpoints, on_devices

LAYOUTS = {
    "jax": {
        "1": [(1, 1)],
        "8": [(8, 1)],
        "2x4": [(8, 4)],
        "2x4, then 4": [(8, 4), (4, 1)],
    },
    # TensorFlow cannot reduce over four devices and then over two.
    "tensorflow": {"1": [(1, 1)], "2": [(2, 1)], "2, then 1": [(2, 1), (1, 1)]},
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
    """Losses of all steps, sums of the last model's weights, and what a device holds of it."""
    losses = []
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
            held = {}
            if keras.backend.backend() == "jax":
                for weight in [*glimmer.weights, *glimmer.optimizer.variables]:
                    part = weight.value.addressable_shards[0].data
                    held[weight.path] = [part.size, weight.value.size]
    return {"losses": losses, "sums": sums, "held": held}


if __name__ == "__main__":
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
    print(json.dumps(found))
