"""What a device holds of a model in training: shapes evaluated by JAX, never made."""

import argparse
import math
from typing import Any

import jax
import keras
import numpy as np

from glimmer_keras import Glimmer
from glimmer_keras.distribution import layout_map


def abstract_model(options: argparse.Namespace) -> dict[str, Any]:
    """Evaluate weights and optimizer state as paths, shapes and dtypes.

    The options get the `backbone`, whose settings are read further on.
    """
    made: dict[str, Any] = {}

    def build():
        glimmer = Glimmer.from_size(options.size, options.system, dtype=options.dtype)
        glimmer.compile(rematerialize=True, weighted_metrics=[])
        glimmer.optimizer.build(glimmer.trainable_variables)
        made["glimmer"] = glimmer
        return tuple([v.value for v in variables] for variables in state_of(glimmer))

    state = jax.eval_shape(build)
    glimmer = options.glimmer = made["glimmer"]
    trainable, other, optimizer, _ = zip(state_of(glimmer), state, strict=True)
    # The step as `fit` runs it, which fails here if any shapes do not fit.
    loss = jax.eval_shape(glimmer.train_step, state, batch_of(1, options))[0]["loss"]
    assert loss.shape == ()
    frozen = [row for row in described(*other) if "seed_generator" not in row["path"]]
    return {
        "trained": described(*trainable),
        "frozen": frozen,
        "optimizer": described(*optimizer),
    }


def state_of(glimmer: Glimmer) -> tuple[list, list, list, list]:
    """Give the variables that `train_step` takes on JAX."""
    return (
        glimmer.trainable_variables,
        glimmer.non_trainable_variables,
        glimmer.optimizer.variables,
        glimmer.metrics_variables,
    )


def described(variables: list, arrays: list) -> list[dict[str, Any]]:
    pairs = zip(variables, arrays, strict=True)
    return [{"path": v.path, "shape": list(a.shape), "dtype": str(a.dtype)} for v, a in pairs]


def batch_of(rows: int, options: argparse.Namespace) -> tuple:
    """Make inputs, labels and their weights, as shapes."""
    shapes = {
        "question": (rows, options.question_length),
        "passage": (rows, options.k, options.passage_length),
        "decoder": (rows, options.answer_length),
    }
    inputs = {f"{n}_token_ids": jax.ShapeDtypeStruct(s, "int32") for n, s in shapes.items()}
    inputs |= {f"{n}_padding_mask": jax.ShapeDtypeStruct(s, "bool") for n, s in shapes.items()}
    labels = shapes["decoder"]
    kinds = ("int32", "float32")
    return inputs, *(jax.ShapeDtypeStruct(labels, kind) for kind in kinds)


def held(shapes: dict[str, list], options: argparse.Namespace) -> dict[str, float]:
    """Count bytes of a device, whatever the batch; and the weights in all."""
    copies = options.devices // options.model_parallel, options.model_parallel
    devices = keras.distribution.list_devices()
    layouts = layout_map(keras.distribution.DeviceMesh(copies, ("batch", "model"), devices))

    def part(row: dict[str, Any]) -> int:
        """Count the values that a device holds of a variable."""
        layout, shape = layouts[row["path"]], tuple(row["shape"])
        return math.prod(layout.backend_layout.shard_shape(shape) if layout else shape)

    def size(rows: list[dict[str, Any]], width: int | None = None) -> int:
        return sum(part(row) * (width or np.dtype(row["dtype"]).itemsize) for row in rows)

    weights = shapes["trained"] + shapes["frozen"]
    return {
        "parameters": sum(math.prod(row["shape"]) for row in weights),
        "weights": size(weights),
        "optimizer": size(shapes["optimizer"]),
        "gradients": size(shapes["trained"], 4),
    }


def activations(rows: int, options: argparse.Namespace) -> dict[str, float]:
    """Count bytes of a device for `rows` questions of its copy of the model, rematerialised."""
    b = options.glimmer.backbone
    layers, parts = b.layer_counts, options.model_parallel
    width = np.dtype(jax.numpy.dtype(b.compute_dtype)).itemsize
    k, m = options.k, b.num_selected or options.k
    question, passage, answer = (
        options.question_length,
        options.passage_length,
        options.answer_length,
    )
    length, inner = question + passage, b.num_heads * b.key_value_dim
    tokens = (
        layers["memory"] * (k * passage + question)
        + layers["stage A"] * k * length
        + layers["stage B"] * m * length
        + layers["decoder"] * answer
        + (2 * k * length if b.num_selected else 0)  # the live states, and what the teacher reads
    )
    kept = len(b.decoder.cross_attention_layers) * 2 * b.decoder.cross_attention_key_value_heads
    kept = kept * b.key_value_dim / parts * width
    teacher = k * (length + question) if b.num_selected else 0
    sequences = k if layers["stage A"] or not b.num_selected else m
    # Scores before and after softmax in float32 and weights, hidden units thrice; and gradients.
    block = sequences * length * (b.num_heads / parts) * length * (8 + width)
    block += sequences * length * (3 * b.intermediate_dim + 4 * inner) / parts * width
    # The teacher reads one passage at a time.
    logits = (2 if b.num_selected else 1) * answer * b.vocabulary_size / parts * 4
    return {
        "block inputs": rows * tokens * b.hidden_dim * width,
        "keys and values": rows * (m * length + question + teacher) * kept,
        "one block": rows * block * 2,
        "logits": rows * logits * 2,
    }
