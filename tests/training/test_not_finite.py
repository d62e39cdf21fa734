import csv

import keras
import numpy as np
import pytest
from keras import ops

from glimmer_keras import Glimmer
from glimmer_keras.optimizers import Adafactor, SkippingOptimizer
from glimmer_keras.training import Checkpoints, NotFinite, TrainingLog

SIZES = {"vocabulary_size": 16, "num_layers": 1, "num_decoder_layers": 1, "num_heads": 1}
SIZES |= {"hidden_dim": 4, "intermediate_dim": 4, "key_value_dim": 4, "dropout": 0.0}


def line(optimizer, **options):
    """A model of one weight, whose loss is its label plus what it gives."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    model.compile(optimizer, loss=lambda y, p: ops.mean(y) + 0.0 * ops.mean(p), **options)
    return model


def fit(model, labels, *callbacks, **options):
    """One step a label; the logs of each, as callbacks after those given see them."""
    seen = []
    keep = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: seen.append(dict(logs))
    )
    y = np.array(labels, "float32")[:, None]
    options = {"batch_size": 1, "shuffle": False, "verbose": 0, **options}
    model.fit(np.ones_like(y), y, callbacks=[*callbacks, keep], **options)
    return seen


def said(caplog):
    """Without what TensorFlow says of tracing."""
    return [record.getMessage() for record in caplog.records if record.name == "glimmer_keras"]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_the_run_stops(bad):
    seen = []
    keep = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(batch))
    with pytest.raises(FloatingPointError, match=r"not finite at step 12: loss=-?(nan|inf)\."):
        fit(line("sgd"), [1.0, bad, 2.0], NotFinite(start_step=10), keep)
    assert seen == [0]


def test_metrics_are_as_if_the_step_had_not_been(caplog):
    callback = NotFinite("skip", start_step=0)
    logs = fit(line(SkippingOptimizer(keras.optimizers.SGD(0.1))), [1, np.nan, 2, 6], callback)
    assert [log["loss"] for log in logs] == [1.0, 1.0, 1.5, 3.0]
    assert [log["skipped_steps"] for log in logs] == [0, 1, 1, 1]
    assert said(caplog) == ["Step 2: not finite, its update is left out: loss=nan"]


def test_a_first_step_that_is_skipped_has_no_mean():
    logs = fit(line(SkippingOptimizer(keras.optimizers.SGD(0.1))), [np.nan, 2], NotFinite("skip"))
    assert np.isnan(logs[0]["loss"])
    assert logs[1]["loss"] == 2.0


def test_the_log_counts_them(tmp_path):
    model = line(SkippingOptimizer(keras.optimizers.SGD(0.1)))
    fit(model, [1, 2, np.nan, 6, np.nan], NotFinite("skip"), TrainingLog(tmp_path / "log.csv", 2))
    with (tmp_path / "log.csv").open() as file:
        rows = [(row["step"], row["loss"], row["skipped_steps"]) for row in csv.DictReader(file)]
    assert rows == [("2", "1.5", "0"), ("4", "6.0", "1"), ("5", "nan", "2")]
    # Two rows of two steps: one that is skipped counts where its row has a mean.
    assert model.history.history["loss"] == [3.75]


def test_several_steps_between_calls(caplog):
    model = line(SkippingOptimizer(keras.optimizers.SGD(0.1)), steps_per_execution=3)
    logs = fit(model, [1, 2, 3, np.nan, 5, np.inf], NotFinite("skip"))
    assert [log["skipped_steps"] for log in logs] == [0, 2]
    assert [log["loss"] for log in logs] == [2.0, 2.0]
    assert said(caplog)[0].startswith("2 of 3 to 6: not finite")


def test_too_many_in_a_row_stop_the_run():
    def model():
        return line(SkippingOptimizer(keras.optimizers.SGD(0.1)))

    bad = np.nan
    fit(model(), [1, bad, bad, 1, bad, bad], NotFinite("skip", in_a_row=3))
    with pytest.raises(FloatingPointError, match="3 steps in a row .* step 4: loss=nan"):
        fit(model(), [1, bad, bad, bad, 1], NotFinite("skip", in_a_row=3))


def batches(weights):
    """A step of a `Glimmer` for each weight of its labels, the same batch every time."""
    rng = np.random.default_rng(0)
    steps = len(weights)

    def repeat(*shape):
        return np.concatenate([rng.integers(1, 16, shape).astype("int32")] * steps)

    inputs = {
        "question_token_ids": repeat(2, 3),
        "passage_token_ids": repeat(2, 2, 3),
        "decoder_token_ids": repeat(2, 2),
    }
    masks = {name.replace("token_ids", "padding_mask"): ids > 0 for name, ids in inputs.items()}
    weights = np.repeat(np.array(weights, "float32"), 2)[:, None] * np.ones((1, 2), "float32")
    return {**inputs, **masks}, repeat(2, 2), weights


def run(glimmer, weights, *callbacks):
    x, y, weights = batches(weights)
    options = {"batch_size": 2, "verbose": 0, "callbacks": [*callbacks]}
    return glimmer.fit(x, y, sample_weight=weights, **options).history


def test_a_glimmer_goes_on_as_if_the_batch_had_not_been(tmp_path):
    glimmer = Glimmer.from_size("tiny", "fid", **SIZES)
    glimmer.compile(SkippingOptimizer(Adafactor(0.01)))
    glimmer.optimizer.build(glimmer.trainable_variables)
    variables = [*glimmer.variables, *glimmer.optimizer.inner_optimizer.variables]
    begin = [np.array(ops.convert_to_numpy(v)) for v in variables]
    state = []
    for weights in ([1, 1, np.nan, 1], [1, 1, 1]):
        for variable, value in zip(variables, begin, strict=True):
            variable.assign(value)
        history = run(glimmer, weights, NotFinite("skip"))
        state.append([np.array(ops.convert_to_numpy(v)) for v in variables])
        state[-1] += [np.array(history[name]) for name in sorted(history) if "skip" not in name]
        assert history["skipped_steps"] == [len(weights) - 3]
    for one, other in zip(*state, strict=True):
        assert np.isfinite(one).all()
        np.testing.assert_array_equal(one, other)
    checkpoints = Checkpoints(tmp_path, save_every=1)
    checkpoints.set_model(glimmer)
    checkpoints.on_train_batch_end(0)
    checkpoints.wait()
    assert Checkpoints(tmp_path, save_every=1).restore(glimmer) == 1


def test_errors():
    with pytest.raises(ValueError, match="`action` must be one of .* Received: action='go on'"):
        NotFinite("go on")
    with pytest.raises(ValueError, match="`in_a_row` must be at least 1. Received: in_a_row=0"):
        NotFinite("skip", in_a_row=0)
    with pytest.raises(ValueError, match=r"compile\(SkippingOptimizer.* Received: optimizer=SGD"):
        fit(line("sgd"), [1.0], NotFinite("skip"))
