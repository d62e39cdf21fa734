import json
import math

import keras
import numpy as np
import pytest
from _answering_parts import encode_selected, make_inputs, rerank
from _benchmark import interleaved, jit_choices, ratio
from _matrix_work import Work, answering_work, decoding_seconds
from benchmark_inference import main, parse

from glimmer_keras import Glimmer, GlimmerBackbone
from glimmer_keras.models.sizes import T5_SIZES

SHAPES = ["--size", "tiny", "--k", "3", "--m", "1", "--question-length", "2"]
SHAPES += ["--passage-length", "5", "--answer-length", "2"]
SMALL = {"num_layers": 2, "num_heads": 2, "hidden_dim": 8, "intermediate_dim": 12}
SMALL |= {"key_value_dim": 3, "vocabulary_size": 10}


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    output = tmp_path_factory.mktemp("bench")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(T5_SIZES, "tiny", SMALL)
        found = main([*SHAPES, "--batch", "2", "--repeats", "2", "--output", str(output)])
    written = output / f"inference-{keras.backend.backend()}.json"
    assert json.loads(written.read_text(encoding="utf-8")) == json.loads(json.dumps(found))
    return found


def test_every_part_of_every_system_is_timed(report):
    (case,) = report["cases"]
    assert (case["size"], case["batch"]) == ("tiny", 2)
    parts = {name: set(system["seconds"]) for name, system in case["systems"].items()}
    read = {"encode", "decode", "whole"}
    assert parts == {"fid": read, "lumen": read, "glimmer": {"rerank", *read}}
    for system in case["systems"].values():
        assert system["parts_agree"]
        assert set(system["jit"].values()) <= set(jit_choices("best"))
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


def test_exact_work_by_hand():
    backbone = GlimmerBackbone.from_size("tiny", "glimmer", num_selected=1, **SMALL)
    assert backbone.layer_counts == {"memory": 1, "stage A": 1, "stage B": 0, "decoder": 2}
    # A token's encoder layer: 4 8 6 + 3 8 12 = 480. A decoder layer: 6 8 6 + 3 8 12 = 576.
    assert answering_work(backbone, passages=3, question=2, passage=3, answer=2) == {
        "rerank": Work(2 * 480 + 15 * 480, 2 * 12 * 2 + 15 * 12 * 5),
        "encode": Work(0, 0),
        # 7 positions; 2 tokens through 2 layers and the head; 3 keys beside the 7 positions.
        "decode": Work(7 * 2 * 96 + 2 * 2 * 576 + 2 * 80, 2 * 2 * 12 * (3 + 7)),
    }
    fid = GlimmerBackbone.from_size("tiny", "fid", **SMALL)
    assert answering_work(fid, passages=3, question=2, passage=3, answer=2) == {
        "encode": Work(2 * 15 * 480, 2 * 15 * 12 * 5),
        "decode": Work(15 * 2 * 96 + 2 * 2 * 576 + 2 * 80, 2 * 2 * 12 * (3 + 15)),
    }


def test_exact_work_of_less_cross_attention_by_hand():
    less = {"cross_attention_key_value_heads": 1, "cross_attention_every": 2}
    fid = GlimmerBackbone.from_size("tiny", "fid", **SMALL, **less)
    # The second layer's keys and values of one head: 2 8 3. Its queries and outputs: 2 8 6. Both
    # layers: 4 8 6 + 3 8 12. Scores: 12 a key, 3 in each layer and 15 in the second.
    work = answering_work(fid, passages=3, question=2, passage=3, answer=2)["decode"]
    assert work == Work(15 * 48 + 2 * (2 * 480 + 96 + 80), 2 * 12 * (2 * 3 + 15))
    # A token reads those weights and 15 keys and values of 3.
    slow_memory = decoding_seconds(fid, 15, 1, 1, 1e9, 1.0)
    assert slow_memory == pytest.approx(720 / 1e9 + 4 * (1136 + 15 * 2 * 3))


def test_the_least_decoding_can_take_by_hand():
    fid = GlimmerBackbone.from_size("tiny", "fid", **SMALL)
    # 15 positions take 15 2 96 products once. Each of 2 tokens: 2 576 + 80 weights, two layers'
    # 15 keys and values of 6, and 2 576 + 80 + 2 12 (3 + 15) products.
    read = {batch: 4 * (1232 / batch + 2 * 15 * 2 * 6) for batch in (1, 4)}
    for batch in (1, 4):
        slow_memory = decoding_seconds(fid, 15, 2, batch, 1e9, 1.0)
        assert slow_memory == pytest.approx(2880 / 1e9 + 2 * read[batch])
    slow_products = decoding_seconds(fid, 15, 2, 1, 1.0, 1e9)
    assert slow_products == pytest.approx(2880 + 2 * (1232 + 432))


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
def test_exact_work_is_what_the_model_does(system, less):
    import jax

    selected = 2 if system == "glimmer" else None
    settings = {**SMALL, "num_layers": 4, "num_selected": selected, **less}
    settings |= {} if system == "fid" else {"live_proportion": 0.5}
    reader = Glimmer.from_size("tiny", system, **settings)
    reader.compile(sampler="greedy")

    def answer(inputs):
        with keras.StatelessScope():
            return reader.generate_step(inputs)

    program = jax.make_jaxpr(answer)(make_inputs(reader, 1, parse(SHAPES))).jaxpr
    work = answering_work(reader.backbone, passages=3, question=2, passage=3, answer=2)
    assert traced_products(program, steps=2) == sum(part.total for part in work.values())


def test_the_parts_are_the_whole_reading():
    settings = {**SMALL, "live_proportion": 1.0, "rerank_proportion": 0.5, "num_selected": 2}
    reader = Glimmer.from_size("tiny", "glimmer", **settings, num_decoder_layers=1)
    backbone, options = reader.backbone, parse(SHAPES)
    inputs = make_inputs(reader, 2, options)
    inputs["passage_memory"] = backbone.token_embedding(inputs.pop("passage_token_ids"))
    reranked, read = rerank(backbone, inputs), backbone.read(inputs)
    encoded = encode_selected(backbone, reranked)
    np.testing.assert_allclose(encoded, read["encoded_passages"], atol=1e-5)
    np.testing.assert_array_equal(reranked["selected_passages"], read["selected_passages"])


def test_rounds_are_interleaved():
    said = []
    calls = {name: lambda name=name: said.append(name) for name in "ab"}
    times = interleaved(calls, 2, lambda: said.append("-"))
    assert "".join(said) == "-ab-ab-"
    assert [len(values) for values in times.values()] == [2, 2]


def test_ratio():
    found = ratio([4.0, 6.0, 9.0], [2.0, 2.0, 3.0], {"work": 1.5})
    assert found == {
        "measured": 3.0,
        "lowest": 2.0,
        "highest": 3.0,
        "by_work": 1.5,
        "over_work": 2.0,
    }


def test_lengths_are_checked(capsys):
    with pytest.raises(SystemExit):
        parse(["--question-length", "352"])
    assert "--question-length must be from 1 to under --passage-length" in capsys.readouterr().err
