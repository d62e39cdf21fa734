import keras
import numpy as np
import pytest

import glimmer_keras as gk
from glimmer_keras import flops, training_flops


def test_formulas_by_hand():
    out = flops(
        "tiny",
        "glimmer",
        num_layers=3,
        hidden_dim=2,
        passage_length=10,
        answer_length=5,
        num_passages=4,
        num_selected=2,
        live_proportion=2 / 3,
        rerank_proportion=1 / 2,
    )
    assert out.live_encoder == pytest.approx(2 * 10 * 2 * 12 * 4)
    assert out.reranking == pytest.approx(2 * 10 * 1 * 12 * 4)
    assert out.cross_attention == 2 * 10 * 3 * 2 * 4
    assert out.decoder == 5 * 3 * 14 * 4


def test_less_cross_attention_by_hand():
    sizes = {"num_layers": 7, "num_heads": 6, "hidden_dim": 2, "passage_length": 10}
    less = {"cross_attention_key_value_heads": 2, "cross_attention_every": 3}
    out = flops("tiny", "fid", num_passages=4, answer_length=5, **sizes, **less)
    # Layers 2 and 5 read the passages, with a third of the heads.
    assert out.cross_attention == pytest.approx(4 * 10 * 2 * (1 / 3) * 2 * 4)
    assert out.decoder == 5 * (7 * 12 + 2 * 2) * 4
    assert out.live_encoder == 4 * 10 * 7 * 12 * 4


@pytest.mark.parametrize(
    ("system", "passages", "ratio"),
    [("lumen", 10, 1.20), ("fid", 5, 1.39), ("lumen", 25, 2.95), ("fid", 25, 6.85)],
)
def test_ratios_of_the_paper_at_large(system, passages, ratio):
    glimmer = flops("large", answer_length=32).total
    other = flops("large", system, num_passages=passages, answer_length=32).total
    assert other / glimmer == pytest.approx(ratio, abs=0.005)


def test_bad_settings():
    with pytest.raises(ValueError, match="`size` must be one of .*Received: size='huge'"):
        flops("huge")
    with pytest.raises(ValueError, match="`system` must be one of .*Received: system='rag'"):
        flops("base", "rag")
    with pytest.raises(ValueError, match="num_selected=5, num_passages=4"):
        flops("base", num_passages=4)
    with pytest.raises(ValueError, match="Unknown settings.*depth"):
        flops("base", depth=3)
    with pytest.raises(ValueError, match="`cross_attention_every` must be .*Received: .*=13"):
        flops("base", cross_attention_every=13)
    with pytest.raises(ValueError, match="`cross_attention_key_value_heads` must be .*=5"):
        flops("base", cross_attention_key_value_heads=5)


# In d^2 with L = 3: a passage of 10 tokens, 4 of them the question's, and 5 of the answer.
READ, DECODED = 10 * 3 * 2, 5 * 3 * 14
LIVE = {"num_layers": 3, "hidden_dim": 2, "live_proportion": 2 / 3}


@pytest.mark.parametrize(("dropout", "unread"), [(True, 4), (False, 2)])
def test_a_training_step_by_hand(dropout, unread):
    lengths = {"passage_length": 10, "question_length": 4, "answer_length": 5}
    counted = {"num_passages": 4, "dropout": dropout, **lengths, **LIVE}
    memory = (4 * 6 + 4) * 1 * 12
    lumen = 4 * 10 * 2 * 12 + 4 * READ + DECODED + memory
    assert training_flops("tiny", "lumen", **counted) == pytest.approx(4 * 3 * lumen)
    stages = {"num_selected": 2, "rerank_proportion": 1 / 2}
    student = 2 * 10 * 2 * 12 + 2 * 10 * 1 * 12 + 2 * READ + DECODED + memory
    teacher = unread * 10 * 1 * 12 + 4 * (READ + DECODED)
    glimmer = training_flops("tiny", "glimmer", **stages, **counted)
    assert glimmer == pytest.approx(4 * (3 * student + teacher))


# Sizes at which the formulas are exact: feed-forward 3 d (8 d / 3) = 8 d^2, attention 4 d^2.
SIZES = {
    "vocabulary_size": 7,
    "num_layers": 6,
    "num_heads": 2,
    "hidden_dim": 12,
    "intermediate_dim": 32,
    "key_value_dim": 6,
}


def products_on_jax(function, inputs):
    import jax

    def count(jaxpr):
        total = 0
        for equation in jaxpr.eqns:
            if equation.primitive.name == "dot_general":
                (contracted, _), (batched, _) = equation.params["dimension_numbers"]
                if not batched:  # attention scores and their use are batched
                    shape = equation.invars[0].aval.shape
                    depth = np.prod([shape[axis] for axis in contracted])
                    total += int(np.prod(equation.outvars[0].aval.shape) * depth)
            for value in equation.params.values():
                for inner in value if isinstance(value, tuple | list) else (value,):
                    inner = getattr(inner, "jaxpr", inner)
                    if hasattr(inner, "eqns"):
                        total += count(inner)
        return total

    return count(jax.make_jaxpr(function)(inputs).jaxpr)


def products_on_tensorflow(function, inputs):
    import tensorflow as tf

    graph = (
        tf.function(function)
        .get_concrete_function(tf.nest.map_structure(tf.constant, inputs))
        .graph
    )
    total = 0
    for op in graph.get_operations():
        if op.type == "MatMul":
            left = op.inputs[0].shape
            depth = left[0] if op.get_attr("transpose_a") else left[1]
            total += int(np.prod(op.outputs[0].shape) * depth)
    return total


LESS = {
    "num_heads": 4,
    "key_value_dim": 3,
    "cross_attention_key_value_heads": 2,
    "cross_attention_every": 4,
}


@pytest.mark.parametrize(
    ("system", "less"), [("glimmer", {}), ("lumen", {}), ("fid", {}), ("fid", LESS)]
)
def test_counted_matrix_work_of_the_model_is_the_formula(system, less, rng):
    count = {"jax": products_on_jax, "tensorflow": products_on_tensorflow}
    if keras.backend.backend() not in count:
        pytest.skip("matrix products are counted on JAX and TensorFlow")
    passages, question, passage, target = 5, 2, 4, 3
    selected = {"num_selected": 2} if system == "glimmer" else {}
    layers = {} if system == "fid" else {"live_proportion": 4 / 6, "rerank_proportion": 1 / 4}
    model = gk.Glimmer.from_size(
        "tiny", system, question_in_decoder=False, **{**SIZES, **less}, **selected, **layers
    )
    inputs = {
        "question_token_ids": np.ones((1, question), "int32"),
        "question_padding_mask": np.ones((1, question), bool),
        "passage_padding_mask": np.ones((1, passages, passage), bool),
        "passage_memory": rng.normal(size=(1, passages, passage, 12)).astype("float32"),
        "decoder_token_ids": np.ones((1, target), "int32"),
        "decoder_padding_mask": np.ones((1, target), bool),
    }
    counted = count[keras.backend.backend()](lambda x: model(x, training=False), inputs)
    formula = flops(
        "tiny",
        system,
        num_layers=6,
        hidden_dim=12,
        num_passages=passages,
        passage_length=question + passage,
        answer_length=target,
        **selected,
        **layers,
        **{name: value for name, value in less.items() if name != "key_value_dim"},
    ).total
    # What the formulas leave out: the question's memory and the language model head.
    left_out = question * model.backbone.split.memory * 12 * 12**2 + target * 12 * 7
    assert counted == pytest.approx(formula + left_out, rel=1e-12)
