import keras
import numpy as np
import pytest

import glimmer_keras as gk
from glimmer_keras.models import memory_fingerprint

LENGTH = 7


@pytest.fixture
def reader(make_model, tokenizer):
    """A model whose weights are the same on all backends."""

    def make(system="glimmer", length=LENGTH, vocabulary=tokenizer, **overrides):
        model = make_model(system, **overrides)
        for number, weight in enumerate(
            [model.backbone.token_embedding.embeddings, *model.backbone.memory_encoder.weights]
        ):
            values = np.arange(np.prod(weight.shape)) % 7 + number
            weight.assign(values.reshape(weight.shape) / 8)
        model.preprocessor = gk.GlimmerPreprocessor(vocabulary, passage_length=length)
        return model

    return make


def test_the_same_memory_has_one_fingerprint(reader):
    fingerprint = memory_fingerprint(reader())
    assert sorted(fingerprint) == ["memory_encoder", "passage_length", "tokenizer"]
    assert fingerprint["passage_length"] == "7"
    others = {"train_memory": False, "question_encoder": "separate", "num_selected": 1}
    assert memory_fingerprint(reader(**others)) == fingerprint
    # A constant: the test runs on all backends.
    assert fingerprint["memory_encoder"].startswith("705eabf575f3779f")


@pytest.mark.parametrize(
    "settings", [{"layer_norm_epsilon": 1e-5}, {"activation": "relu"}, {"num_heads": 1}]
)
def test_settings_of_the_encoder_change_it(reader, settings):
    expected, received = memory_fingerprint(reader()), memory_fingerprint(reader(**settings))
    assert expected.pop("memory_encoder") != received.pop("memory_encoder")
    assert expected == received


def test_each_weight_changes_it(reader):
    model = reader()
    seen = {memory_fingerprint(model)["memory_encoder"]}
    weights = [model.backbone.token_embedding.embeddings, *model.backbone.memory_encoder.weights]
    for weight in weights:
        values = keras.ops.convert_to_numpy(weight).copy()
        values.flat[-1] += 1
        weight.assign(values)
        seen.add(memory_fingerprint(model)["memory_encoder"])
    assert len(seen) == 1 + len(weights) > 9
    # What does not make memory does not.
    before = memory_fingerprint(model)
    for weight in (*model.backbone.stage_b.weights, *model.backbone.decoder.weights):
        weight.assign(weight + 1)
    assert memory_fingerprint(model) == before


def test_length_and_tokenizer_change_it(reader, other_tokenizer):
    expected = memory_fingerprint(reader())
    longer = memory_fingerprint(reader(length=8))
    assert longer == {**expected, "passage_length": "8"}
    other = memory_fingerprint(reader(vocabulary=other_tokenizer))
    assert {n for n in expected if expected[n] != other[n]} == {"tokenizer"}


@pytest.fixture(scope="module")
def other_tokenizer(tokenizer):
    from recipes.pretraining.tokenizer import train_tokenizer

    return train_tokenizer(["another set of words", "so there is another vocabulary"], 30)


def test_a_preprocessor_is_needed(make_model):
    with pytest.raises(ValueError, match=r"`glimmer` must have a preprocessor\. Received: .*None"):
        memory_fingerprint(make_model())


def test_lora_counts_as_a_preset_has_it(reader, tmp_path):
    reader = reader()
    before = memory_fingerprint(reader)
    reader.backbone.enable_lora(2)
    assert memory_fingerprint(reader) == before  # it begins at nothing
    assert reader.backbone.passage_scorer.trainable_variables
    random = np.random.default_rng(0)
    for weight in reader.trainable_variables:
        weight.assign(random.normal(size=weight.shape))
    assert memory_fingerprint(reader) != before
    reader.save_to_preset(tmp_path / "preset")
    loaded = gk.Glimmer.from_preset(str(tmp_path / "preset"))
    assert memory_fingerprint(loaded) == memory_fingerprint(reader)
    reader.export_to_transformers(tmp_path / "t5")
    exported = gk.Glimmer.from_preset(str(tmp_path / "t5"))
    assert memory_fingerprint(exported) == memory_fingerprint(reader)
