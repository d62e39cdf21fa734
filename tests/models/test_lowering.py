"""What TPUs and GPUs run is lowered here without one: on JAX, for another platform than this."""

import keras
import numpy as np
import pytest

from glimmer_keras import Glimmer

if keras.backend.backend() != "jax":
    pytest.skip("of JAX's export", allow_module_level=True)

import jax
from jax import export

ROWS, K, QUESTION, PASSAGE, ANSWER = 2, 3, 4, 6, 5


@pytest.fixture(scope="module")
def glimmer():
    glimmer = Glimmer.from_size("tiny", vocabulary_size=32, num_selected=2, dropout=0.1)
    glimmer.compile()
    glimmer.optimizer.build(glimmer.trainable_variables)
    return glimmer


@pytest.fixture(scope="module")
def inputs():
    shapes = {
        "question": (ROWS, QUESTION),
        "passage": (ROWS, K, PASSAGE),
        "decoder": (ROWS, ANSWER),
    }
    ids = {f"{name}_token_ids": np.ones(shape, "int32") for name, shape in shapes.items()}
    masks = {f"{name}_padding_mask": np.ones(shape, "bool") for name, shape in shapes.items()}
    return ids | masks


def values(variables):
    return [variable.value for variable in variables]


def lower(function, platform, *arguments):
    """The module's text, and what comes out as shapes."""
    exported = export.export(jax.jit(function), platforms=[platform])(*arguments)
    assert exported.platforms == (platform,)
    return exported.mlir_module(), jax.tree.unflatten(exported.out_tree, exported.out_avals)


@pytest.mark.parametrize("platform", ["tpu", "cuda"])
@pytest.mark.parametrize("rematerialize", [False, True])
def test_the_training_step(glimmer, inputs, platform, rematerialize):
    glimmer.backbone.rematerialize = rematerialize
    labels = np.ones((ROWS, ANSWER), "int32")
    state = (
        values(glimmer.trainable_variables),
        values(glimmer.non_trainable_variables),
        values(glimmer.optimizer.variables),
        values(glimmer.metrics_variables),
    )
    data = inputs, labels, np.ones(labels.shape, "float32")
    text, (logs, found) = lower(glimmer.train_step, platform, state, data)
    assert "stablehlo.dot_general" in text
    assert logs.keys() > {"loss", "lm_loss", "distillation_loss"}
    for before, after in zip(state[:3], found[:3], strict=True):
        assert [(x.shape, x.dtype) for x in after] == [(x.shape, x.dtype) for x in before]


@pytest.mark.parametrize("platform", ["tpu", "cuda"])
def test_generation(glimmer, inputs, platform):
    variables = glimmer.variables

    def generate(weights, inputs):
        with keras.StatelessScope(state_mapping=zip(variables, weights, strict=True)):
            return glimmer.generate_step(inputs, stop_token_ids=(1,))["decoder_token_ids"]

    text, found = lower(generate, platform, values(variables), inputs)
    assert "stablehlo.while" in text
    assert (found.shape, found.dtype) == ((ROWS, ANSWER), "int32")


@pytest.mark.parametrize("platform", ["tpu", "cuda"])
def test_encoding(glimmer, inputs, platform):
    backbone = glimmer.backbone
    variables = [*backbone.token_embedding.variables, *backbone.memory_encoder.variables]

    def encode(weights, ids, mask):
        with keras.StatelessScope(state_mapping=zip(variables, weights, strict=True)):
            return backbone.encode_memory(ids, mask)

    ids, mask = inputs["passage_token_ids"], inputs["passage_padding_mask"]
    _, found = lower(encode, platform, values(variables), ids, mask)
    assert found.shape == (ROWS, K, PASSAGE, backbone.hidden_dim)
