"""What a frozen memory encoder saves, as JAX counts the work of the training step."""

import keras
import numpy as np
import pytest

from glimmer_keras import Glimmer

if keras.backend.backend() != "jax":
    pytest.skip("of JAX's counts", allow_module_level=True)

import jax

ROWS, K, QUESTION, PASSAGE, ANSWER, DIM = 2, 4, 8, 56, 4, 64
SIZES = {"num_layers": 2, "num_decoder_layers": 1, "num_heads": 4, "hidden_dim": DIM}
SIZES |= {"intermediate_dim": 128, "key_value_dim": 16, "vocabulary_size": 32}


def flops(train_memory, stored=False, dropout=0.1):
    """Of a training step, on token ids or on memory that a store gives."""
    settings = {"live_proportion": 0.5, "num_selected": 2, "train_memory": train_memory, **SIZES}
    glimmer = Glimmer.from_size("tiny", dropout=dropout, **settings)
    glimmer.compile(keras.optimizers.SGD(0.1))
    glimmer.optimizer.build(glimmer.trainable_variables)
    groups = (
        glimmer.trainable_variables,
        glimmer.non_trainable_variables,
        glimmer.optimizer.variables,
        glimmer.metrics_variables,
    )
    state = tuple([variable.value for variable in group] for group in groups)
    shapes = {"question": (ROWS, QUESTION), "decoder": (ROWS, ANSWER)}
    shapes["passage"] = (ROWS, K, PASSAGE)
    inputs = {f"{name}_padding_mask": np.ones(shape, "bool") for name, shape in shapes.items()}
    if stored:
        inputs["passage_memory"] = np.ones((*shapes.pop("passage"), DIM), "float32")
    inputs |= {f"{name}_token_ids": np.ones(shape, "int32") for name, shape in shapes.items()}
    labels = np.ones((ROWS, ANSWER), "int32")
    data = inputs, labels, np.ones(labels.shape, "float32")
    return jax.jit(glimmer.train_step).lower(state, data).cost_analysis()["flops"]


def encoding(tokens, length):
    """FLOP of the one memory layer, forward: projections, scores and their use."""
    return 2 * tokens * (4 * DIM * DIM + 3 * DIM * 128 + 2 * DIM * length)


def test_it_costs_its_forward_pass_and_from_a_store_nothing():
    passages, questions = encoding(ROWS * K * PASSAGE, PASSAGE), encoding(ROWS * QUESTION, QUESTION)
    trained, frozen, stored = (flops(*of, dropout=0.0) for of in ((True,), (False,), (False, True)))
    assert trained - frozen == pytest.approx(2 * (passages + questions), rel=0.1)
    assert frozen - stored == pytest.approx(passages, rel=0.1)
    # No random numbers are drawn for it either, so that both roads train alike.
    difference = flops(False, dropout=0.1) - flops(False, True, dropout=0.1)
    assert difference == pytest.approx(frozen - stored, rel=0.01)
