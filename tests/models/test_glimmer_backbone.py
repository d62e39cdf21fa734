import keras
import numpy as np
import pytest

import glimmer_keras as gk
from glimmer_keras.memory.quantize import dequantize, quantize
from tests import compiled, read


def close(a, b, tolerance=1e-4):
    np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=tolerance, atol=tolerance)


def with_memory(model, x):
    encode = compiled(model.backbone.encode_memory)
    memory = encode(x["passage_token_ids"], x["passage_padding_mask"])
    kept = {name: value for name, value in x.items() if name != "passage_token_ids"}
    return kept | {"passage_memory": keras.ops.convert_to_numpy(memory)}


def lumen_of(glimmer, make_model):
    """The LUMEN with a GLIMMER's weights."""
    lumen = make_model("lumen", live_proportion=2 / 3, num_decoder_layers=3, activation="gelu")
    source = glimmer.backbone
    lumen.backbone.token_embedding.set_weights(source.token_embedding.get_weights())
    for name in ("memory_encoder", "live_position_bias", "encoder_norm", "decoder"):
        getattr(lumen.backbone, name).set_weights(getattr(source, name).get_weights())
    blocks = source.stage_a.blocks + source.stage_b.blocks
    for target, block in zip(lumen.backbone.stage_b.blocks, blocks, strict=True):
        target.set_weights(block.get_weights())
    return lumen


def test_selecting_all_passages_is_lumen(t5, batch, make_model):
    x, _, _ = batch
    settings = {"live_proportion": 2 / 3, "rerank_proportion": 1 / 2, "num_selected": 4}
    everything = gk.Glimmer.from_t5(t5, dropout=0.0, **settings)
    lumen = lumen_of(everything, make_model)
    close(read(everything, x)["logits"], read(lumen, x)["logits"])
    assert "passage_scores" not in read(lumen, x)


@pytest.mark.parametrize("system", ["glimmer", "lumen", "fid"])
def test_stored_memory_gives_what_fresh_encoding_gives(system, batch, make_model):
    x, _, _ = batch
    model = make_model(system)
    expected, out = read(model, x), read(model, with_memory(model, x))
    for name in expected:
        close(out[name], expected[name])


def test_int8_memory_is_scaled_in_the_model(batch, glimmer):
    inputs = with_memory(glimmer, batch[0])  # its third question lacks a passage
    values, scales = quantize(inputs["passage_memory"])
    expected = read(glimmer, inputs | {"passage_memory": dequantize(values, scales)})
    out = read(glimmer, inputs | {"passage_memory": values, "passage_memory_scales": scales})
    for name in expected:
        close(out[name], expected[name], 1e-6)
    assert np.asarray(out["passage_scores"])[2, 3] == -1e9


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"passage_memory_scales": None}, "must come with `passage_memory_scales`.*int8 without"),
        ({"passage_memory": np.ones((3, 4, 6, 8), "float32")}, "float32 with scales"),
        ({"passage_memory": np.ones((3, 4, 6, 8), "int32")}, "floats or int8.*dtype=int32"),
        ({"passage_memory_scales": np.ones((3, 4, 5))}, r"\(3, 4, 5\) and \(3, 4, 6, 8\)"),
        ({"passage_memory": None, "passage_token_ids": np.ones((3, 4, 6), "int32")}, "Inputs must"),
    ],
)
def test_memory_and_scales_go_together(change, message, batch, glimmer):
    inputs = with_memory(glimmer, batch[0])
    int8 = {"passage_memory": np.ones((3, 4, 6, 8), "int8")}
    inputs |= int8 | {"passage_memory_scales": np.ones((3, 4, 6), "float32")} | change
    with pytest.raises(ValueError, match=message):
        glimmer({name: value for name, value in inputs.items() if value is not None})


@pytest.mark.parametrize("system", ["glimmer", "lumen", "fid"])
def test_more_padding_changes_nothing(system, batch, make_model):
    x, _, _ = batch
    model = make_model(system)
    wide = dict(x)
    for name in ("passage_token_ids", "passage_padding_mask"):
        wide[name] = np.pad(x[name], ((0, 0), (0, 1), (0, 3)))  # a passage and three tokens
    for name in ("decoder_token_ids", "decoder_padding_mask"):
        wide[name] = np.pad(x[name], ((0, 0), (0, 2)))
    expected, out = read(model, x), read(model, wide)
    close(np.asarray(out["logits"])[:, :4], expected["logits"])
    if system == "glimmer":
        close(np.asarray(out["passage_scores"])[:, :4], expected["passage_scores"])
        close(out["selected_passages"], expected["selected_passages"])


def test_a_permutation_of_passages_permutes_the_scores_alone(glimmer, batch):
    x, _, _ = batch
    order = [2, 0, 3, 1]
    moved = dict(x)
    for name in ("passage_token_ids", "passage_padding_mask"):
        moved[name] = x[name][:, order]
    expected, out = read(glimmer, x), read(glimmer, moved)
    close(out["logits"], expected["logits"])
    close(out["passage_scores"], np.asarray(expected["passage_scores"])[:, order])
    selected = np.asarray(order)[np.asarray(out["selected_passages"])]
    np.testing.assert_array_equal(selected, expected["selected_passages"])


def test_a_missing_passage_is_never_selected_while_a_real_one_is_left(glimmer, rng, batch):
    x, _, _ = batch
    x["passage_padding_mask"][:, 1:] = False
    out = read(glimmer, x)
    assert np.asarray(out["selected_passages"])[:, 0].tolist() == [0, 0, 0]
    assert (np.asarray(out["passage_scores"])[:, 1:] == -1e9).all()
    changed = dict(x)
    changed["passage_token_ids"] = x["passage_token_ids"].copy()
    changed["passage_token_ids"][:, 1:] = 5
    close(read(glimmer, changed)["logits"], out["logits"])


def test_no_passages_at_all_is_finite(batch, make_model):
    x, _, _ = batch
    x["passage_padding_mask"][:] = False
    for system in ("glimmer", "fid"):
        assert np.isfinite(np.asarray(read(make_model(system), x)["logits"])).all()


def test_half_precision_runs_and_agrees(t5, glimmer, batch):
    x, _, _ = batch
    half = gk.Glimmer(
        gk.GlimmerBackbone.from_config({**glimmer.backbone.get_config(), "dtype": "mixed_bfloat16"})
    )
    half.set_weights(glimmer.get_weights())
    logits = np.asarray(read(half, x)["logits"], "float32")
    expected = np.asarray(read(glimmer, x)["logits"])
    assert np.isfinite(logits).all()
    assert np.corrcoef(logits.ravel(), expected.ravel())[0, 1] > 0.99


@pytest.mark.parametrize(
    "change",
    [
        {"question_encoder": "separate"},
        {"reranker": "separate"},
        {"score_pooling": "mean"},
        {"question_in_decoder": False},
        {"train_memory": False},
        {"rerank_proportion": 1.0},
        {"num_decoder_layers": 2, "cross_attention_key_value_heads": 1, "cross_attention_every": 2},
        {"use_gated_activation": False, "activation": "relu", "tie_embedding_weights": True},
    ],
)
def test_ablations_run_and_survive_their_config(change, batch, make_model):
    x, _, _ = batch
    model = make_model(**change)
    copy = gk.GlimmerBackbone.from_config(model.backbone.get_config())
    assert copy.get_config() == model.backbone.get_config()
    assert copy.layer_counts == model.backbone.layer_counts
    copy.set_weights(model.backbone.get_weights())
    close(
        read(copy, x)["decoder_sequence_output"], read(model.backbone, x)["decoder_sequence_output"]
    )


def test_frozen_memory_freezes_what_stored_memory_depends_on(make_model):
    backbone = make_model(train_memory=False).backbone
    frozen = {id(w) for w in backbone.non_trainable_weights}
    parts = backbone.memory_encoder.weights + backbone.token_embedding.weights
    assert frozen == {id(w) for w in parts}


def test_frozen_memory_has_no_dropout(batch, make_model):
    x, _, _ = batch
    for train_memory in (True, False):
        backbone = make_model(train_memory=train_memory, dropout=0.5).backbone
        kinds = [
            (
                backbone.encode_memory(
                    x["passage_token_ids"], x["passage_padding_mask"], training=training
                ),
                backbone.encode_question(x, training=training),
            )
            for training in (False, True)
        ]
        for stored, trained in zip(*kinds, strict=True):
            assert np.array_equal(np.asarray(stored), np.asarray(trained)) != train_memory


def test_separate_reranker_reads_memory_with_all_live_layers(make_model):
    counts = make_model(reranker="separate").backbone.layer_counts
    assert counts == {"memory": 1, "stage A": 1, "stage B": 2, "decoder": 1}


def test_summary_tells_the_layers(make_model):
    lines = []
    make_model().summary(print_fn=lines.append)
    assert lines[-1].strip() == "Layers: memory 1, stage A 1, stage B 1, decoder 1"
    make_model(num_decoder_layers=3, cross_attention_every=3).backbone.print_layers(lines.append)
    assert lines[-1].endswith("decoder 3 (1 with cross-attention)")


@pytest.mark.parametrize(
    ("size", "counts"),
    [("small", (5, 1, 2)), ("base", (8, 1, 3)), ("large", (16, 2, 6)), ("xxl", (16, 2, 6))],
)
def test_layer_split_of_the_paper(size, counts):
    from glimmer_keras.models.layer_split import LayerSplit
    from glimmer_keras.models.sizes import size_arguments

    split = LayerSplit(size_arguments(size)["num_layers"], 1 / 3, 1 / 4)
    assert (split.memory, split.stage_a, split.stage_b) == counts


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"live_proportion": 1.5}, "`live_proportion` must be from 0 to 1.*Received.*1.5"),
        ({"live_proportion": -0.1}, "`live_proportion` must be from 0 to 1"),
        ({"rerank_proportion": 0}, "`rerank_proportion` must be over 0.*Received.*=0"),
        ({"live_proportion": 0.0}, "`live_proportion` must leave at least one live layer"),
        ({"num_selected": 0}, "`num_selected` must be an integer of at least 1"),
        ({"reranker": "none"}, '`reranker` must be "shared" or "separate"'),
        ({"score_pooling": "last"}, "`pooling` must be"),
        ({"cross_attention_every": 4}, "`cross_attention_every` must be .*every=4, decoder layers"),
        ({"cross_attention_key_value_heads": 4}, "that divides `num_heads`.*=4, num_heads=2"),
    ],
)
def test_bad_settings(change, message, make_model):
    with pytest.raises(ValueError, match=message):
        make_model(**change)


def test_bad_inputs(glimmer, batch):
    x, _, _ = batch
    few = {k: v[:, :1] if k.startswith("passage") else v for k, v in x.items()}
    with pytest.raises(ValueError, match="passages=1, num_selected=2"):
        glimmer(few)
    memory = with_memory(glimmer, x)
    memory["passage_memory"] = np.ones((3, 4, 6, 9), "float32")
    with pytest.raises(ValueError, match=r"`passage_memory` must have the width.*4, 6, 9\)"):
        glimmer(memory)
    del x["passage_padding_mask"]
    with pytest.raises(ValueError, match="Inputs must be .*Received: "):
        glimmer(x)
