import signal

import keras
import numpy as np
import pytest

from glimmer_keras.optimizers import SkippingOptimizer
from glimmer_keras.training import (
    DataConfig,
    ModelConfig,
    ReaderRun,
    RunConfig,
    TrainingConfig,
    TrainingRun,
)

STEPS = 6
RUN = RunConfig(log_every=2, save_every=2, keep=9)
MEASURED = ("first_step", "step", "loss", "learning_rate")


def make_model(**options):
    """Two layers, dropout and a schedule: all that a run that goes on has to bring back."""
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(4), keras.layers.Dropout(0.5), keras.layers.Dense(1)]
    model = keras.Sequential([keras.Input((3,)), *layers])
    rate = keras.optimizers.schedules.CosineDecay(0.1, STEPS)
    model.compile(keras.optimizers.Adam(rate), loss="mse", **options)
    return model


def batches(step):
    """Another batch for every step, without end."""
    while True:
        rng = np.random.default_rng(step)
        yield rng.normal(size=(2, 3)).astype("float32"), np.ones((2, 1), "float32")
        step += 1


class Score(keras.callbacks.Callback):
    """Measures the model at the end of an epoch."""

    def on_epoch_end(self, epoch, logs=None):
        logs["val_score"] = float(epoch)


def losses(run):
    return [{name: row[name] for name in MEASURED} for row in run.history()]


def weights(model):
    return [keras.ops.convert_to_numpy(weight) for weight in model.weights]


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    model = make_model(metrics=["mae"])
    run = TrainingRun(model, batches, tmp_path_factory.mktemp("a"), steps=STEPS, run=RUN)
    assert run.restore() == run.step == 0
    assert run.history() == []
    assert run.fit() is None
    assert run.step == STEPS
    return run


def test_history_is_of_all_stretches(unbroken):
    rows = unbroken.history()
    assert [(row["first_step"], row["step"]) for row in rows] == [(1, 2), (3, 4), (5, 6)]
    assert all(row["loss"] > 0 and row["mae"] > 0 and row["seconds"] > 0 for row in rows)
    assert rows[0]["learning_rate"] > rows[-1]["learning_rate"] == 0.0
    assert sorted(p.name for p in unbroken.output.iterdir()) == ["checkpoints", "events", "log.csv"]


def test_a_run_that_was_stopped_goes_on_as_if_it_never_was(unbroken, tmp_path):
    def stop(batch, logs):
        if batch == 2:
            signal.raise_signal(signal.SIGTERM)

    run = TrainingRun(make_model(), batches, tmp_path, steps=STEPS, run=RUN)
    assert run.fit([keras.callbacks.LambdaCallback(on_train_batch_begin=stop)]) == "SIGTERM"
    assert run.step == 3
    keras.utils.set_random_seed(7)
    again = TrainingRun(make_model(), batches, tmp_path, steps=STEPS, run=RUN)
    assert again.restore() == 3
    assert again.fit() is None
    for one, other in zip(weights(again.model), weights(unbroken.model), strict=True):
        np.testing.assert_array_equal(one, other)
    expected = {row["step"]: row["learning_rate"] for row in losses(unbroken)}
    assert {row["step"]: row["learning_rate"] for row in losses(again) if row["step"] != 3} == (
        expected
    )


def test_epochs_are_stretches_that_are_evaluated(unbroken, tmp_path):
    run = RunConfig(log_every=2, save_every=4, keep=1, evaluate_every=4)
    training = TrainingRun(
        make_model(), batches, tmp_path, steps=STEPS, run=run, monitor="val_score"
    )
    assert training.fit([Score()]) is None
    assert [row.get("val_score") for row in training.history()] == [None, 0.0, 1.0]
    assert losses(training) == losses(unbroken)
    assert training.checkpoints.best_step() == STEPS


def test_without_a_metric_too_what_ends_an_epoch_is_saved_after_it(tmp_path):
    class Fails(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            raise KeyboardInterrupt

    run = RunConfig(log_every=1, save_every=1, evaluate_every=2)
    training = TrainingRun(make_model(), batches, tmp_path, steps=STEPS, run=run)
    with pytest.raises(KeyboardInterrupt):
        training.fit([Fails()])
    assert training.checkpoints.latest_step() == 1


def test_other_models_data_and_steps_are_refused(unbroken):
    again = TrainingRun(make_model(), batches, unbroken.output, steps=STEPS - 1, run=RUN)
    with pytest.raises(ValueError, match="`steps` must be at least the 6 that are done. Rec.* 5"):
        again.restore()
    with pytest.raises(ValueError, match="its checkpoint be restored before `fit`. Received: "):
        again.fit()
    other = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, name="other")])
    other.compile("adam", loss="mse")
    run = TrainingRun(other, batches, unbroken.output, steps=STEPS)
    with pytest.raises(ValueError, match="`model` must have the variables of the one that w"):
        run.restore()
    unbuilt = keras.Sequential([keras.layers.Dense(1)])
    run = TrainingRun(unbuilt, batches, unbroken.output, steps=STEPS)
    with pytest.raises(ValueError, match="`model` must be built and compiled, .*: built=False"):
        run.restore()


def test_losses_that_are_not_finite_stop_or_are_skipped(tmp_path):
    def bad(step):
        for number, (x, y) in enumerate(batches(step), step):
            yield (x * float("nan") if number == 1 else x), y

    run = TrainingRun(make_model(), bad, tmp_path / "stop", steps=3, run=RUN)
    with pytest.raises(FloatingPointError, match="not finite at step 2"):
        run.fit()
    model = make_model()
    model.compile(SkippingOptimizer(keras.optimizers.SGD(0.1)), loss="mse")
    run = TrainingRun(model, bad, tmp_path / "skip", steps=3, run=RUN, not_finite="skip")
    assert run.fit() is None
    assert run.history()[-1]["skipped_steps"] == 1


def test_the_old_call_is_a_reader_run(tmp_path):
    config = TrainingConfig(ModelConfig(t5="tiny_world"), DataConfig(tmp_path))
    with pytest.warns(DeprecationWarning, match="is ReaderRun"):
        run = TrainingRun(config, tmp_path / "new")
    assert isinstance(run, ReaderRun)
    with pytest.warns(DeprecationWarning, match="is ReaderRun"):
        TrainingRun(config=config, output=tmp_path / "new")


def test_steps_must_be_some(tmp_path):
    with pytest.raises(ValueError, match="`steps` must be at least 1. Received: steps=0"):
        TrainingRun(make_model(), batches, tmp_path, steps=0)


def test_stretches():
    from glimmer_keras.training.training_run import _stretches as stretches

    assert list(stretches(0, 100, 10)) == [(0, 10, 10)]
    assert list(stretches(13, 47, 10)) == [(13, 7, 1), (20, 10, 2), (40, 7, 1)]
    assert list(stretches(3, 5, 10)) == [(3, 2, 1)]
    assert list(stretches(20, 30, 10)) == [(20, 10, 1)]
    assert list(stretches(5, 5, 10)) == []
    assert list(stretches(4, 10, None)) == [(4, 6, 1)]
