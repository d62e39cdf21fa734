import keras
import numpy as np
import pytest
from keras import ops

from glimmer_keras.training import TaskLosses, TrainingLog


def data(*labels):
    y = np.array(labels, "float32")[:, None]
    return np.ones_like(y), y


@pytest.fixture
def batches():
    """Batches of two examples whose losses are their labels."""
    import tensorflow as tf

    return {
        "qa": tf.data.Dataset.from_tensor_slices(data(1, 2, 3, 6)).batch(2),
        "slots": tf.data.Dataset.from_tensor_slices(data(8, 9)).batch(2),
    }


def fit(*callbacks):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    model.compile(
        keras.optimizers.SGD(0.1),
        loss=lambda y, p: ops.mean(y) + 0.0 * ops.mean(p),
        metrics=[keras.metrics.MeanMetricWrapper(lambda y, p: 2 * y, name="double")],
    )
    x, y = data(4, 5, 6)
    options = {"batch_size": 1, "epochs": 2, "verbose": 0, "shuffle": False}
    return model.fit(x, y, callbacks=[*callbacks], **options).history


def test_means_by_hand(batches, tmp_path):
    history = fit(TaskLosses(batches), TrainingLog(tmp_path / "log.csv", 2))
    assert history["val_qa_loss"] == [3.0, 3.0]
    assert history["val_qa_double"] == [6.0, 6.0]
    assert history["val_slots_loss"] == [8.5, 8.5]
    assert history["loss"] == [5.0, 5.0]
    assert history["double"] == [10.0, 10.0]
    text = (tmp_path / "log.csv").read_text()
    assert text.splitlines()[0].endswith(
        "val_qa_double,val_qa_loss,val_slots_double,val_slots_loss"
    )
    assert text.splitlines()[-1].endswith("6.0,3.0,17.0,8.5")


def test_every_second_epoch(batches):
    assert fit(TaskLosses(batches, every=2))["val_qa_loss"] == [3.0]


def test_an_epoch_that_is_stopped_is_not_measured(batches):
    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = batch == 1

    assert set(fit(TaskLosses(batches), Stop())) == {"loss", "double"}


def test_errors(batches):
    with pytest.raises(ValueError, match="`batches` must hold at least one task."):
        TaskLosses({})
    with pytest.raises(ValueError, match="`every` must be at least 1. Received: every=0"):
        TaskLosses(batches, every=0)
