"""Weights in int8 and int4: what they take, what they answer, and where they go."""

import keras
import numpy as np
import pytest

import glimmer_keras as gk
from glimmer_keras.models import memory_fingerprint

PARTS = {"int8": 0.30, "int4": 0.18}


def size(model):
    return sum(np.asarray(weight).nbytes for weight in model.weights)


@pytest.fixture(scope="module")
def make(make_glimmer):
    def make():
        sizes = {"hidden_dim": 64, "intermediate_dim": 128, "key_value_dim": 32}
        return make_glimmer(6, 9, 3, 2, num_selected=1, **sizes)

    return make


@pytest.fixture(scope="module")
def plain(make):
    return make()


@pytest.fixture(scope="module")
def inputs(plain):
    texts = {
        "questions": ["Where does Ann live?", "Where does Tom live?"],
        "passages": [["Ann lives in Torvik.", "Tom lives in Almere."]] * 2,
        "answers": ["Torvik", "Almere"],
    }
    return plain.preprocessor(texts)


@pytest.fixture(scope="module", params=PARTS)
def quantized(request, make):
    model = make()
    model.quantize(request.param)
    return request.param, model


def logits(model, inputs):
    return keras.ops.convert_to_numpy(model(inputs[0])["logits"])


def test_matrices_are_small_and_outputs_near(plain, quantized, inputs):
    mode, model = quantized
    assert size(model) <= PARTS[mode] * size(plain)
    kinds = {keras.backend.standardize_dtype(weight.dtype) for weight in model.weights}
    assert kinds == {"int8", "float32"}
    expected, found = (logits(reader, inputs) for reader in (plain, model))
    error = np.sqrt(np.mean((found - expected) ** 2) / np.mean(expected**2))
    assert 0 < error < {"int8": 0.03, "int4": 0.3}[mode]


def test_what_was_traced_before_is_not_run_again(make, inputs):
    model = make()
    texts = {"questions": ["Where does Ann live?"], "passages": [["Ann lives in Torvik."] * 2]}
    model.compile()
    whole = model.generate(texts)["passage_scores"]
    model.quantize("int4")
    assert not np.array_equal(model.generate(texts)["passage_scores"], whole)


def test_a_preset_is_loaded_as_it_was_and_kept_again(quantized, inputs, tmp_path):
    mode, model = quantized
    expected = logits(model, inputs)
    for name in ("first", "second"):
        model.save_to_preset(str(tmp_path / name))
        model = gk.Glimmer.from_preset(str(tmp_path / name))
        np.testing.assert_allclose(logits(model, inputs), expected, atol=1e-5)
    with pytest.raises(ValueError, match=f"`dtype` must be left out, .* are in {mode}"):
        gk.Glimmer.from_preset(str(tmp_path / "second"), dtype="bfloat16")


def test_memory_of_other_weights_is_another(plain, quantized):
    assert memory_fingerprint(plain) != memory_fingerprint(quantized[1])


def test_what_is_refused(quantized, make, tmp_path):
    mode, model = quantized
    before = [np.asarray(weight) for weight in model.weights]
    model.quantize(mode)  # nothing to do
    assert all(map(np.array_equal, before, model.weights))
    other = {"int8": "int4", "int4": "int8"}[mode]
    with pytest.raises(ValueError, match=f"must be floats. Received: mode='{other}', they are"):
        model.quantize(other)
    with pytest.raises(ValueError, match=f"must not be quantized here.* weights in {mode}"):
        model.export_to_transformers(tmp_path / "t5")
    with pytest.raises(ValueError, match=r"must be one of .*Received: mode='float8'"):
        make().quantize("float8")
    quantizer = keras.quantizers.AbsMaxQuantizer(axis=0)
    with pytest.raises(ValueError, match="`config` must be left out"):
        make().quantize("int8", keras.quantizers.Int8QuantizationConfig(quantizer))


def test_lora_trains_on_top(make, inputs, eager):
    model = make()
    model.quantize("int8")
    model.backbone.enable_lora(4)
    model.compile(keras.optimizers.Adam(1e-2), distillation_weight=0.0)
    query = model.backbone.decoder.blocks[0].self_attention.query
    kernel = np.asarray(query._kernel).copy()
    losses = [float(model.train_on_batch(*inputs)[0]) for _ in range(3)]
    assert losses[-1] < losses[0]
    np.testing.assert_array_equal(query._kernel, kernel)
