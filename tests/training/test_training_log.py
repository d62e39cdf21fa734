import csv
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from glimmer_keras.training import TrainingLog, training_log
from glimmer_keras.training.csv_rows import CsvRows


@pytest.fixture
def clock(monkeypatch):
    """Seconds that pass only where a test lets them."""
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(
        training_log, "time", SimpleNamespace(perf_counter=lambda: clock.now), raising=True
    )
    return clock


class Clock(keras.callbacks.Callback):
    """Half a second a step, and an hour between epochs."""

    def __init__(self, clock):
        super().__init__()
        self.clock = clock

    def on_train_batch_begin(self, batch, logs=None):
        self.clock.now += 0.5

    def on_epoch_end(self, epoch, logs=None):
        self.clock.now += 3600
        logs["val_score"] = 0.25 * epoch


def fit(*callbacks, labels=(1, 2, 3, 4, 5), **options):
    """Epochs of one step a label, whose losses are the labels; the rate halves every step."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    rate = keras.optimizers.schedules.ExponentialDecay(0.5, 1, 0.5)
    model.compile(
        keras.optimizers.SGD(rate), loss=lambda y, p: ops.mean(y) + 0.0 * ops.mean(p), **options
    )
    y = np.array(labels, "float32")[:, None]
    fitted = {"batch_size": 1, "epochs": 2, "shuffle": False, "verbose": 0}
    return model.fit(np.ones_like(y), y, callbacks=[*callbacks], **fitted).history


def rows(path):
    with path.open(newline="") as file:
        return [{k: float(v) for k, v in row.items() if v} for row in csv.DictReader(file)]


def column(path, name):
    return [row.get(name) for row in rows(path) if "loss" in row]


def test_rows_by_hand(tmp_path, clock):
    path = tmp_path / "run" / "log.csv"
    work = {"tokens_per_step": 30, "flops_per_step": 8.0, "peak": 64.0}
    history = fit(Clock(clock), TrainingLog(path, 2, **work))
    assert column(path, "first_step") == [1, 3, 5, 6, 7, 9]
    assert column(path, "step") == [2, 4, 5, 6, 8, 10]
    assert column(path, "loss") == [1.5, 3.5, 5, 1, 2.5, 4.5]
    assert column(path, "learning_rate") == [0.5 * 0.5**step for step in (2, 4, 5, 6, 8, 10)]
    assert column(path, "steps_per_second") == [2.0] * 6
    assert column(path, "tokens_per_second") == [60.0] * 6
    assert column(path, "share_of_peak") == [0.25] * 6
    assert [row for row in rows(path) if "loss" not in row] == [
        {"step": 5, "val_score": 0.0},
        {"step": 10, "val_score": 0.25},
    ]
    assert history["loss"] == [3.0, 3.0]


def test_the_first_step_has_no_speed(tmp_path, clock):
    fit(Clock(clock), TrainingLog(tmp_path / "log.csv", 1))
    assert column(tmp_path / "log.csv", "steps_per_second") == [None] + [2.0] * 9


def test_several_steps_between_calls(tmp_path):
    path = tmp_path / "log.csv"
    fit(TrainingLog(path, 2), labels=[1, 2, 3, 4, 5, 6], steps_per_execution=3)
    assert column(path, "step") == [3, 6, 9, 12]
    assert column(path, "loss") == [2, 5, 2, 5]


def test_a_run_goes_on_after_its_checkpoint(tmp_path):
    path = tmp_path / "log.csv"
    fit(TrainingLog(path, 2))
    with path.open("a") as file:
        file.write("11,1")
    log = TrainingLog(path, 2, start_step=5)
    assert column(path, "step") == [2, 4, 5]
    fit(log)
    assert column(path, "step") == [2, 4, 5, 6, 8, 10, 12, 14, 15]
    assert column(path, "loss") == [1.5, 3.5, 5, 1, 2.5, 4.5, 1.5, 3.5, 5]


def test_tensorboard_gets_the_same(tmp_path, clock):
    path, folder = tmp_path / "log.csv", tmp_path / "events"
    fit(Clock(clock), TrainingLog(path, 2, tensorboard=folder))
    found = {}
    (file,) = folder.iterdir()
    for record in tf.data.TFRecordDataset(str(file)).as_numpy_iterator():
        event = tf.compat.v1.Event.FromString(record)
        for value in event.summary.value:
            assert value.metadata.plugin_data.plugin_name == "scalars"
            found[value.tag, event.step] = tf.make_ndarray(value.tensor).item()
    expected = {
        (name, row["step"]): pytest.approx(value)
        for row in rows(path)
        for name, value in row.items()
        if name not in ("first_step", "step")
    }
    assert found == expected
    assert len(found) == 6 * 4 + 2


def test_columns_come_as_they_are_needed(tmp_path):
    file = CsvRows(tmp_path / "log.csv", 0)
    file.append({"step": 1, "loss": 0.1})
    file.append({"step": 1, "val_loss": 0.2})
    file.append({"step": 2, "loss": 0.3})
    expected = "step,loss,val_loss\n1,0.1,\n1,,0.2\n2,0.3,\n"
    assert (tmp_path / "log.csv").read_text() == expected
    CsvRows(tmp_path / "log.csv", 1)
    assert (tmp_path / "log.csv").read_text() == "step,loss,val_loss\n1,0.1,\n1,,0.2\n"


def test_errors(tmp_path):
    with pytest.raises(ValueError, match="`every` must be at least 1. Received: every=0"):
        TrainingLog(tmp_path / "log.csv", 0)
    with pytest.raises(ValueError, match="`start_step` must be at least 0. Received: start_step=-"):
        TrainingLog(tmp_path / "log.csv", 1, -1)
    with pytest.raises(ValueError, match=r"given together. Received: flops_per_step=None, peak=1"):
        TrainingLog(tmp_path / "log.csv", 1, peak=1.0)
    (tmp_path / "notes.txt").write_text("bread\nmilk\n")
    with pytest.raises(ValueError, match="`path` must be a new file, or .* Received: .*notes.txt"):
        TrainingLog(tmp_path / "notes.txt", 1)
    assert (tmp_path / "notes.txt").read_text() == "bread\nmilk\n"
