import math

import keras
import numpy as np
import pytest

from glimmer_keras import Glimmer, GlimmerBackbone
from glimmer_keras.models.matrix_work import Work, answering_work, training_work


@pytest.fixture(scope="module")
def small():
    sizes = {"num_layers": 2, "num_heads": 2, "hidden_dim": 8, "intermediate_dim": 12}
    return {**sizes, "key_value_dim": 3, "vocabulary_size": 10}


def test_exact_work_by_hand(small):
    backbone = GlimmerBackbone.from_size("tiny", "glimmer", num_selected=1, **small)
    assert backbone.layer_counts == {"memory": 1, "stage A": 1, "stage B": 0, "decoder": 2}
    # A token's encoder layer: 4 8 6 + 3 8 12 = 480. A decoder layer: 6 8 6 + 3 8 12 = 576.
    assert answering_work(backbone, passages=3, question=2, passage=3, answer=2) == {
        "rerank": Work(2 * 480 + 15 * 480, 2 * 12 * 2 + 15 * 12 * 5),
        "encode": Work(0, 0),
        # 7 positions; 2 tokens through 2 layers and the head; 3 keys beside the 7 positions.
        "decode": Work(7 * 2 * 96 + 2 * 2 * 576 + 2 * 80, 2 * 2 * 12 * (3 + 7)),
    }
    fid = GlimmerBackbone.from_size("tiny", "fid", **small)
    assert answering_work(fid, passages=3, question=2, passage=3, answer=2) == {
        "encode": Work(2 * 15 * 480, 2 * 15 * 12 * 5),
        "decode": Work(15 * 2 * 96 + 2 * 2 * 576 + 2 * 80, 2 * 2 * 12 * (3 + 15)),
    }


def test_exact_work_of_less_cross_attention_by_hand(small):
    less = {"cross_attention_key_value_heads": 1, "cross_attention_every": 2}
    fid = GlimmerBackbone.from_size("tiny", "fid", **small, **less)
    # The second layer's keys and values of one head: 2 8 3. Its queries and outputs: 2 8 6. Both
    # layers: 4 8 6 + 3 8 12. Scores: 12 a key, 3 in each layer and 15 in the second.
    work = answering_work(fid, passages=3, question=2, passage=3, answer=2)["decode"]
    assert work == Work(15 * 48 + 2 * (2 * 480 + 96 + 80), 2 * 12 * (2 * 3 + 15))


def answering_inputs(backbone):
    """A question of 2 tokens, 3 passages of 3 and room for 2 answer tokens."""
    passages = (
        {"passage_memory": np.zeros((1, 3, 3, backbone.hidden_dim), "float32")}
        if backbone.layer_counts["memory"]
        else {"passage_token_ids": np.full((1, 3, 3), 5, "int32")}
    )
    return passages | {
        "question_token_ids": np.full((1, 2), 5, "int32"),
        "question_padding_mask": np.ones((1, 2), bool),
        "passage_padding_mask": np.ones((1, 3, 3), bool),
        "decoder_token_ids": np.zeros((1, 3), "int32"),
        "decoder_padding_mask": np.array([[True, False, False]]),
    }


def traced_products(jaxpr, steps):
    """Multiply-accumulates of all matrix products of a JAX program; loops run `steps` times."""
    total = 0
    for equation in jaxpr.eqns:
        if equation.primitive.name == "dot_general":
            (contracted, _), _ = equation.params["dimension_numbers"]
            shared = math.prod(equation.invars[0].aval.shape[i] for i in contracted)
            total += math.prod(equation.outvars[0].aval.shape) * shared
        times = steps if equation.primitive.name in ("scan", "while") else 1
        for inner in equation.params.values():
            inner = getattr(inner, "jaxpr", inner)
            if hasattr(inner, "eqns"):
                total += times * traced_products(inner, steps)
    return total


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="reads a JAX program")
@pytest.mark.parametrize(
    ("system", "less"),
    [
        ("fid", {}),
        ("lumen", {}),
        ("glimmer", {}),
        ("glimmer", {"cross_attention_key_value_heads": 1, "cross_attention_every": 3}),
    ],
)
def test_exact_work_is_what_the_model_does(system, less, small):
    import jax

    selected = 2 if system == "glimmer" else None
    settings = {**small, "num_layers": 4, "num_selected": selected, **less}
    settings |= {} if system == "fid" else {"live_proportion": 0.5}
    reader = Glimmer.from_size("tiny", system, **settings)
    reader.compile(sampler="greedy")

    def answer(inputs):
        with keras.StatelessScope():
            return reader.generate_step(inputs)

    inputs = answering_inputs(reader.backbone)
    program = jax.make_jaxpr(answer)(inputs).jaxpr
    work = answering_work(reader.backbone, passages=3, question=2, passage=3, answer=2)
    assert traced_products(program, steps=2) == sum(part.total for part in work.values())


def test_a_training_step_by_hand(small):
    lengths = {"passages": 3, "question": 2, "passage": 3, "answer": 2}
    fid = GlimmerBackbone.from_size("tiny", "fid", **small)
    decoder = 2 * 2 * 576 + 2 * 80
    encoder = Work(30 * 480 + 15 * 192 + decoder, 30 * 12 * 5 + 4 * 12 * (2 + 15))
    assert training_work(fid, **lengths) == encoder * 3
    glimmer = GlimmerBackbone.from_size("tiny", "glimmer", num_selected=1, **small)
    # The question's and the passages' memory, stage A, keys and values of 7 positions, decoder.
    student = Work(
        2 * 480 + 9 * 480 + 15 * 480 + 7 * 192 + decoder,
        2 * 12 * 2 + 9 * 12 * 3 + 15 * 12 * 5 + 4 * 12 * (2 + 7),
    )
    teacher = Work(17 * 192 + 3 * decoder, 3 * 4 * 12 * (2 + 7))
    assert training_work(glimmer, **lengths) == student * 3 + teacher


def test_the_teacher_reads_what_dropout_leaves_it(small):
    settings = {**small, "num_layers": 4, "live_proportion": 0.5, "num_selected": 1}

    def work(dropout):
        backbone = GlimmerBackbone.from_size("tiny", "glimmer", dropout=dropout, **settings)
        return training_work(backbone, passages=3, question=2, passage=3, answer=2)

    # One layer of stage B on the selected passage's 5 tokens.
    assert work(0.1).projections - work(0.0).projections == 5 * 480
