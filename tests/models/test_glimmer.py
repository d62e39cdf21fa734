import inspect
import json
import os
import subprocess
import sys

import keras
import keras_hub
import numpy as np
import pytest

import glimmer_keras as gk
from tests import EAGERLY, compiled, read
from tests.models.conftest import SIZES

STOP = (1,)


def close(a, b, tolerance=1e-4):
    np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=tolerance, atol=tolerance)


def prompts(x, length):
    rows = len(x["question_token_ids"])
    return x | {
        "decoder_token_ids": np.zeros((rows, length), "int32"),
        "decoder_padding_mask": np.tile(np.arange(length) == 0, (rows, 1)),
    }


def greedy_by_full_passes(model, x, length):
    x = prompts(x, length)
    x["decoder_padding_mask"] = np.ones_like(x["decoder_padding_mask"])
    for place in range(1, length):
        logits = np.asarray(read(model, x)["logits"])
        x["decoder_token_ids"][:, place] = logits[:, place - 1].argmax(-1)
    return x["decoder_token_ids"]


@pytest.mark.parametrize("sampler", ["greedy", keras_hub.samplers.BeamSampler(num_beams=1)])
def test_cached_decoding_gives_what_full_passes_give(glimmer, batch, sampler):
    x, _, _ = batch
    glimmer.compile(run_eagerly=EAGERLY, sampler=sampler)
    out = glimmer.generate(prompts(x, 6), stop_token_ids=None)
    expected = greedy_by_full_passes(glimmer, x, 6)
    np.testing.assert_array_equal(out["decoder_token_ids"], expected)
    close(out["passage_scores"], read(glimmer, x)["passage_scores"])
    np.testing.assert_array_equal(out["selected_passages"], read(glimmer, x)["selected_passages"])


def test_less_cross_attention_trains_generates_and_is_kept_in_a_preset(make_model, batch, tmp_path):
    x, labels, weights = batch
    less = {"cross_attention_key_value_heads": 1, "cross_attention_every": 2}
    model = make_model(num_decoder_layers=2, **less)
    model.compile(keras.optimizers.SGD(0.1), run_eagerly=EAGERLY)
    kernel = model.backbone.decoder.blocks[1].cross_attention.key.kernel
    before = np.asarray(kernel).copy()
    loss = model.train_on_batch(x, labels, weights, return_dict=True)
    assert loss["distillation_loss"] > 0
    assert kernel.shape == (8, 4)
    assert np.abs(np.asarray(kernel) - before).max() > 1e-5
    tokens = model.generate(prompts(x, 4), stop_token_ids=None)["decoder_token_ids"]
    np.testing.assert_array_equal(tokens, greedy_by_full_passes(model, x, 4))
    model.save_to_preset(tmp_path)
    loaded = gk.Glimmer.from_preset(str(tmp_path), preprocessor=None)
    config = loaded.backbone.get_config()
    assert {name: config[name] for name in less} == less
    close(read(loaded, x)["logits"], read(model, x)["logits"], 1e-6)


def log_prob(model, x, tokens):
    """Sum of log p(token) of generated tokens, by one full pass."""
    x = x | {"decoder_token_ids": tokens, "decoder_padding_mask": np.ones(tokens.shape, bool)}
    logits = np.asarray(read(model, x)["logits"], "float64")
    log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    return np.take_along_axis(log_p[:, :-1], tokens[:, 1:, None], axis=-1).sum((1, 2))


def test_beams_find_an_answer_at_least_as_likely(glimmer, batch):
    x, _, _ = batch
    glimmer.compile(run_eagerly=EAGERLY, sampler=keras_hub.samplers.BeamSampler(num_beams=40))
    # With as many beams as there are tokens, two places are searched in full.
    tokens = np.asarray(glimmer.generate(prompts(x, 3), stop_token_ids=None)["decoder_token_ids"])
    best = log_prob(glimmer, x, tokens)
    rng = np.random.default_rng(5)
    many = {name: np.tile(value, (20, *[1] * (value.ndim - 1))) for name, value in x.items()}
    others = np.concatenate([np.tile(tokens[:, :1], (20, 1)), rng.integers(0, 40, (60, 2))], axis=1)
    assert (np.tile(best, 20) >= log_prob(glimmer, many, others) - 1e-4).all()
    assert (best >= log_prob(glimmer, x, greedy_by_full_passes(glimmer, x, 3)) - 1e-4).all()


def test_answer_ends_at_its_stop_token(glimmer, batch):
    x, _, _ = batch
    glimmer.compile(run_eagerly=EAGERLY)
    tokens = np.asarray(glimmer.generate(prompts(x, 6), stop_token_ids=None)["decoder_token_ids"])
    stop = int(tokens[0, 2])
    out = glimmer.generate(prompts(x, 6), stop_token_ids=(stop,))
    for row, mask in zip(tokens, np.asarray(out["decoder_padding_mask"]), strict=True):
        places = np.flatnonzero(row[1:] == stop)
        assert mask.sum() == (places[0] + 2 if len(places) else 6)


def test_compiled_training_learns_and_is_seen_in_the_history(make_model, batch, monkeypatch):
    x, labels, weights = batch
    model, traces = make_model(), []
    model.compile(gk.optimizers.Adafactor(0.05))
    compute_loss = model.compute_loss
    monkeypatch.setattr(
        model, "compute_loss", lambda *args, **kw: traces.append(1) or compute_loss(*args, **kw)
    )
    history = model.fit(x, labels, sample_weight=weights, batch_size=3, epochs=8, verbose=0)
    names = {"loss", "lm_loss", "distillation_loss", "token_accuracy", "selection_agreement"}
    assert set(history.history) == names
    if keras.backend.backend() == "tensorflow":
        assert len(traces) == 1  # as no variable is made meanwhile
    assert history.history["lm_loss"][-1] < 0.7 * history.history["lm_loss"][0]
    tokens = model.generate(prompts(x, 5), stop_token_ids=STOP)["decoder_token_ids"]
    assert tokens.shape == (3, 5)


def test_rematerialised_training_is_the_same_in_all_parts(make_model, batch):
    losses = []
    for rematerialize in (False, True):
        keras.utils.set_random_seed(0)
        model = make_model(question_encoder="separate", reranker="separate")
        model.compile(keras.optimizers.SGD(0.5), rematerialize=rematerialize, run_eagerly=EAGERLY)
        losses.append([float(model.train_on_batch(*batch)[0]) for _ in range(3)])
    assert model.get_compile_config()["rematerialize"]
    stacks = ("memory_encoder", "question_encoder", "stage_a", "stage_b", "decoder")
    assert all(getattr(model.backbone, name).rematerialize for name in stacks)
    np.testing.assert_allclose(*losses, rtol=1e-5)
    assert losses[0][2] < losses[0][0]


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="JAX always compiles")
def test_decoding_alone_with_xla_gives_the_same(make_model, batch):
    x, model, tokens = prompts(batch[0], 6), make_model(), {}
    for jit in ("auto", True, False):
        model.compile(jit_compile=jit)
        assert model.get_compile_config()["jit_compile"] == jit
        tokens[jit] = model.generate(x, stop_token_ids=None)["decoder_token_ids"]
    np.testing.assert_array_equal(tokens["auto"], tokens[False])
    np.testing.assert_array_equal(tokens[True], tokens[False])


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="of tf.distribute")
def test_keras_still_asks_the_private_hook_of_several_replicas():
    """Tried with Keras 3.15.1: without ours `fit` on two replicas adds up masks, and fails.

    tests/distribution/test_devices.py fits on two replicas; this says which name has changed.
    """
    keras_own = inspect.signature(keras.Model._maybe_symbolic_build)
    assert inspect.signature(gk.Glimmer._maybe_symbolic_build) == keras_own


def test_named_constructors():
    sizes = {**SIZES, "num_layers": 12, "num_decoder_layers": 1}
    counts = {
        name: gk.Glimmer.from_size("tiny", name, **sizes).backbone.layer_counts
        for name in ("fid", "lumen", "glimmer")
    }
    assert counts == {
        "fid": {"memory": 0, "stage A": 0, "stage B": 12, "decoder": 1},
        "lumen": {"memory": 8, "stage A": 0, "stage B": 4, "decoder": 1},
        "glimmer": {"memory": 8, "stage A": 1, "stage B": 3, "decoder": 1},
    }
    assert not gk.Glimmer.from_size("tiny", "fid", **sizes).backbone.question_in_decoder


@pytest.mark.parametrize("name", ["fid", "lumen", "glimmer"])
def test_old_names_of_the_constructors_warn(name):
    sizes = {**SIZES, "num_decoder_layers": 1}
    with pytest.warns(DeprecationWarning, match=rf"Glimmer.{name}\(size\) is Glimmer.from_size"):
        old = getattr(gk.Glimmer, name)("tiny", **sizes)
    new = gk.Glimmer.from_size("tiny", name, **sizes)
    assert old.backbone.get_config() | {"name": ""} == new.backbone.get_config() | {"name": ""}


def test_a_model_that_is_not_compiled(glimmer, batch):
    model = gk.Glimmer(glimmer.backbone, compile=False)
    assert model.metrics == []
    assert not model.distils
    close(
        compiled(lambda x: model(x, training=True))(batch[0])["logits"],
        read(glimmer, batch[0])["logits"],
    )


@pytest.fixture(scope="module")
def texts():
    return {
        "questions": ["who wrote fidelio", "the sonata"],
        "passages": [["beethoven wrote the opera", "vienna"], ["moonlight"]],
    }


@pytest.fixture(scope="module")
def reader(glimmer, tokenizer):
    preprocessor = gk.GlimmerPreprocessor(tokenizer, 6, 8, 5, num_passages=2)
    config = glimmer.backbone.get_config() | {"num_selected": 1}
    model = gk.Glimmer(gk.GlimmerBackbone.from_config(config), preprocessor)
    model.set_weights(glimmer.get_weights())
    model.compile(run_eagerly=EAGERLY, distillation_temperature=2.0)
    return model


def test_strings_in_strings_out(reader, texts):
    out = reader.generate(texts)
    assert [type(answer) for answer in out["answers"]] == [str, str]
    assert out["passage_scores"].shape == (2, 2)
    assert out["passage_scores"][1, 1] == -1e9
    one = reader.generate({k: v[0] for k, v in texts.items()})
    assert one["answers"] == out["answers"][0]
    close(one["passage_scores"], out["passage_scores"][0])
    assert one["selected_passages"].shape == (1,)


def test_one_question_needs_no_batch_and_is_left_as_it_is(reader, texts):
    one = {name: value[0] for name, value in texts.items()}
    kept = dict(one)
    assert isinstance(reader.generate(one)["answers"], str)
    assert one == kept


def test_token_ids_in_gives_the_same(reader, texts):
    ids = reader.preprocessor.generate_preprocess(texts)
    assert reader.generate(ids)["answers"] == reader.generate(texts)["answers"]


def test_fit_on_strings(reader, texts):
    x = texts | {"answers": ["beethoven", "vienna"], "passages": [["a", "b"], ["c", ""]]}
    history = reader.fit(x, batch_size=2, verbose=0).history
    assert np.isfinite(history["loss"]).all()


class TextBatches(keras.utils.PyDataset):
    def __init__(self, x):
        super().__init__()
        self.x = x

    def __len__(self):
        return 2

    def __getitem__(self, index):
        return {name: value[index : index + 1] for name, value in self.x.items()}


def test_strings_may_come_batch_by_batch(reader, texts):
    x = texts | {"answers": ["beethoven", "vienna"], "passages": [["a", "b"], ["c", ""]]}
    expected = reader.evaluate(x, batch_size=1, verbose=0, return_dict=True)
    batches = TextBatches(x)
    generator = (batches[index] for index in range(2))
    for given, more in ((batches, {}), (generator, {"steps": 2})):
        logs = reader.evaluate(given, verbose=0, return_dict=True, **more)
        assert logs["loss"] == pytest.approx(expected["loss"], rel=1e-5)
    predicted = reader.predict(batches, verbose=0)
    close(predicted["logits"], reader.predict(x, batch_size=1, verbose=0)["logits"])
    with pytest.raises(ValueError, match="only if `x` is. Received: TextBatches with dict"):
        reader.fit(x, validation_data=batches)


def test_weights_of_strings_count(reader, texts):
    x = texts | {"answers": ["beethoven", "vienna"], "passages": [["a", "b"], ["c", "d"]]}
    inputs, labels, weights = reader.preprocessor(x)

    def losses(*arguments, **kwargs):
        logs = reader.evaluate(*arguments, **kwargs, batch_size=2, verbose=0, return_dict=True)
        return logs["lm_loss"], logs["distillation_loss"]

    whole = losses(x)
    for row, halved in (([1.0, 0.0], [1.0, 0.5]), ([0.0, 1.0], [0.5, 1.0])):
        given = np.array(row, "float32")
        told = losses(x, sample_weight=given)
        assert told == pytest.approx(losses(x | {"sample_weight": given}), rel=1e-5)
        part = {name: value[given > 0] for name, value in inputs.items()}
        alone = losses(part, labels[given > 0], sample_weight=weights[given > 0])
        # The mean over the tokens that count; of what is distilled over all rows.
        assert told == pytest.approx((alone[0], alone[1] / 2), rel=1e-4)
        half = losses(x, sample_weight=np.array(halved, "float32"))
        assert half[1] == pytest.approx((told[1] + whole[1]) / 2, rel=1e-4)
    with pytest.raises(
        ValueError, match=r"`sample_weight` must be of shape \(batch,\) or \(batch, 5"
    ):
        reader.preprocessor(x, sample_weight=np.ones((2, 3)))
    with pytest.raises(ValueError, match="`y` must be left out"):
        reader.preprocessor(x, y=labels)


def test_an_answer_has_a_token(reader, texts):
    texts = {name: texts[name] for name in ("questions", "passages")}
    for arguments in ((0,), (-1,)):
        with pytest.raises(ValueError, match="`max_length` must be at least 1"):
            reader.generate(texts, *arguments)
    with pytest.raises(ValueError, match="`max_length` must be at least 1. Received: max_length=0"):
        reader.generate(texts, max_length=0)


def test_fit_names_empty_answers_before_it_begins(reader, texts):
    answers = ["vienna", *[" "] * (len(texts["questions"]) - 1)]
    with pytest.raises(ValueError, match=r'`"answers"` must not be empty\. Received: .* at \[1'):
        reader.fit({**texts, "answers": answers}, verbose=0)


def test_preset_and_keras_file_answer_the_same(reader, texts, tmp_path):
    expected = reader.generate(texts)
    reader.save_to_preset(tmp_path / "preset")
    reader.optimizer.build(reader.trainable_variables)
    reader.save(tmp_path / "reader.keras")
    loaded = gk.Glimmer.from_preset(str(tmp_path / "preset"))
    kept = keras.saving.load_model(tmp_path / "reader.keras")
    assert kept.distillation_temperature == 2.0
    for model in (loaded, kept):
        assert model.backbone.get_config() == reader.backbone.get_config()
        out = model.generate(texts)
        assert out["answers"] == expected["answers"]
        close(out["passage_scores"], expected["passage_scores"])


ELSEWHERE = """
import json, sys
import glimmer_keras as gk
model = gk.Glimmer.from_preset(sys.argv[1])
out = model.generate(json.loads(sys.argv[2]))
print(json.dumps({"answers": out["answers"], "scores": out["passage_scores"].tolist()}))
"""


def test_a_preset_answers_the_same_on_the_other_backend(reader, texts, tmp_path):
    reader.save_to_preset(tmp_path)
    other = {"jax": "tensorflow"}.get(keras.backend.backend(), "jax")
    run = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, str(tmp_path), json.dumps(texts)],
        env={**os.environ, "KERAS_BACKEND": other},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    out = json.loads(run.stdout.splitlines()[-1])
    expected = reader.generate(texts)
    assert out["answers"] == expected["answers"]
    close(out["scores"], expected["passage_scores"])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"distillation_weight": -1.0}, "`distillation_weight` must be 0 or more"),
        ({"distillation_temperature": 0.0}, "`distillation_temperature` must be over 0"),
        ({"distillation_direction": "up"}, "`distillation_direction` must be one of"),
    ],
)
def test_bad_compile_settings(make_model, settings, message):
    with pytest.raises(ValueError, match=message):
        make_model().compile(**settings)


@pytest.mark.parametrize("cls", [gk.Glimmer, gk.GlimmerBackbone])
def test_a_preset_keeps_its_sizes(cls, tmp_path):
    with pytest.raises(ValueError, match="from the preset.*Received: .'num_layers'"):
        cls.from_preset(str(tmp_path), num_layers=7)


def test_memory_of_another_width_is_an_error_before_anything_is_compiled(glimmer, batch):
    inputs = prompts(batch[0], 3)
    shape = inputs.pop("passage_token_ids").shape
    inputs["passage_memory"] = np.zeros((*shape, 5), "float32")
    with pytest.raises(ValueError, match=r"\A`passage_memory` must have the width of the model"):
        glimmer.generate(inputs, stop_token_ids=None)


def test_a_preset_of_another_kind_is_an_error(t5, tmp_path):
    t5.save_to_preset(tmp_path)
    with pytest.raises(ValueError, match="T5Backbone"):
        gk.Glimmer.from_preset(str(tmp_path))
