import keras
import numpy as np
import pytest
from keras import ops

from glimmer_keras.layers import FiDDecoder

SIZES = {"num_heads": 2, "head_dim": 4, "hidden_dim": 8, "intermediate_dim": 16}


FIDO = {"cross_attention_key_value_heads": 1, "cross_attention_every": 2}


@pytest.fixture(scope="module", params=[{}, FIDO], ids=["t5", "fido"])
def decoder(request):
    keras.utils.set_random_seed(1)
    return FiDDecoder(2, position_bias_stddev=1.0, **SIZES, **request.param)


@pytest.fixture
def data(rng):
    mask = np.ones((2, 3, 5), bool)
    mask[0, 2] = False
    mask[1, :, 4] = False
    return {
        "embeddings": rng.normal(size=(2, 4, 8)).astype("float32"),
        "padding_mask": np.ones((2, 4), bool),
        "passage_states": rng.normal(size=(2, 3, 5, 8)).astype("float32"),
        "passage_mask": mask,
        "question_states": rng.normal(size=(2, 2, 8)).astype("float32"),
        "question_mask": np.ones((2, 2), bool),
    }


def close(a, b):
    np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-4, atol=1e-5)


def test_order_of_passages_does_not_matter(decoder, data):
    order = [2, 0, 1]
    moved = data | {name: data[name][:, order] for name in ("passage_states", "passage_mask")}
    close(decoder(**data), decoder(**moved))


def test_masked_passages_are_not_read(decoder, data):
    changed = data | {"passage_states": data["passage_states"].copy()}
    changed["passage_states"][0, 2] = 1e3
    changed["passage_states"][1, :, 4] = 1e3
    close(decoder(**data), decoder(**changed))


def test_later_tokens_are_not_seen(decoder, data):
    changed = data | {"embeddings": data["embeddings"].copy()}
    changed["embeddings"][:, 3] = 5.0
    close(np.asarray(decoder(**data))[:, :3], np.asarray(decoder(**changed))[:, :3])


@pytest.mark.parametrize("beams", [1, 3])
def test_steps_with_a_cache_equal_the_full_pass(decoder, data, beams):
    expected = np.asarray(decoder(**data))
    memory = {k: v for k, v in data.items() if k not in ("embeddings", "padding_mask")}
    memory, mask = decoder.project_memory(**memory)
    cache, bias = decoder.initial_cache(2 * beams, 4), decoder.step_bias(4)
    embeddings = np.repeat(data["embeddings"], beams, axis=0)
    for i in range(4):
        index = ops.convert_to_tensor(i, "int32")
        step = embeddings[:, i : i + 1]
        out, cache = decoder.decode_step(step, index, cache, memory, mask, bias)
        close(np.asarray(out)[::beams, 0], expected[:, i])
        close(np.asarray(out)[beams - 1 :: beams, 0], expected[:, i])


def test_each_passage_alone_equals_a_call_with_one_passage(decoder, data):
    memory = {k: v for k, v in data.items() if k not in ("embeddings", "padding_mask")}
    each, mask = decoder.project_each(**memory)
    repeated = (np.repeat(data[name], 3, axis=0) for name in ("embeddings", "padding_mask"))
    out = np.asarray(decoder.decode(*repeated, each, mask)).reshape(2, 3, 4, 8)
    for passage in range(3):
        cut = slice(passage, passage + 1)
        one = {name: data[name][:, cut] for name in ("passage_states", "passage_mask")}
        close(out[:, passage], decoder(**(data | one)))


def test_layers_without_cross_attention_have_and_compute_nothing_for_it(data):
    decoder = FiDDecoder(5, cross_attention_every=2, **SIZES)
    full = FiDDecoder(5, **SIZES)
    for layer in (decoder, full):
        layer(**data)
    assert decoder.cross_attention_layers == (1, 3)
    # A layer's norm, and its query, key, value and output kernels.
    assert len(full.weights) - len(decoder.weights) == 3 * 5
    memory, _ = decoder.project_memory(data["passage_states"], data["passage_mask"])
    assert [len(projected) for projected in memory] == [0, 2, 0, 2, 0]


def test_sparse_cross_attention_equals_the_rest_put_to_zero(data):
    sparse = FiDDecoder(3, cross_attention_every=2, **SIZES)
    full = FiDDecoder(3, **SIZES)
    for layer in (sparse, full):
        layer(**data)
    weights = {weight.path.partition("/")[2]: weight for weight in full.weights}
    for weight in sparse.weights:
        weights[weight.path.partition("/")[2]].assign(weight)
    for i in (0, 2):
        kernel = full.blocks[i].cross_attention.output_projection.kernel
        kernel.assign(np.zeros(kernel.shape))
    close(sparse(**data), full(**data))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"cross_attention_key_value_heads": 3}, "that divides `num_heads`.*=3, num_heads=2"),
        ({"cross_attention_key_value_heads": 0}, "`cross_attention_key_value_heads` must be"),
        ({"cross_attention_every": 0}, "must be an integer from 1 .*cross_attention_every=0"),
        ({"cross_attention_every": 3}, "`cross_attention_every` must be .*decoder layers=2"),
        ({"cross_attention_every": 1.0}, "`cross_attention_every` must be .*every=1.0"),
    ],
)
def test_bad_cross_attention(settings, message):
    with pytest.raises(ValueError, match=message):
        FiDDecoder(2, **SIZES, **settings)


def test_all_passages_missing_is_finite(decoder, data):
    missing = data | {"passage_mask": np.zeros((2, 3, 5), bool), "question_states": None}
    missing["question_mask"] = None
    assert np.isfinite(np.asarray(decoder(**missing))).all()


def test_half_precision(data):
    out = FiDDecoder(1, dtype="mixed_bfloat16", **SIZES)(**data)
    assert keras.backend.standardize_dtype(out.dtype) == "bfloat16"
    assert np.isfinite(np.asarray(out, "float32")).all()


def test_config_round_trip(decoder):
    config = keras.saving.serialize_keras_object(decoder)
    assert keras.saving.deserialize_keras_object(config).get_config() == decoder.get_config()
